// The map: a scene in tiles, in the scene's own pixels. Latitude is y, longitude is x.

import { sceneQuery } from "./service.js";

const { L } = window;
const OVERZOOM = 4;

export class Viewer {
  constructor(element) {
    this.element = element;
    this.map = null;
  }

  // onLoad is called when all tiles that are seen are there.
  show(scene, onLoad) {
    this.map?.remove();
    const { width, height, max_level: top, tile_px: side } = scene;
    const pixels = L.Util.extend({}, L.CRS.Simple, {
      transformation: new L.Transformation(1, 0, 1, 0),
      scale: (zoom) => 2 ** (zoom - top),
      zoom: (scale) => Math.log2(scale) + top,
    });
    const bounds = L.latLngBounds([0, 0], [height, width]);
    this.map = L.map(this.element, {
      crs: pixels, minZoom: -2, maxZoom: top + OVERZOOM, zoomSnap: 0.25, zoomDelta: 1,
      attributionControl: false, maxBounds: bounds.pad(0.5), preferCanvas: true,
      doubleClickZoom: false,
    });
    L.tileLayer(`tile/{z}/{x}/{y}?${sceneQuery(scene)}`, {
      tileSize: side, bounds, minZoom: -2, maxZoom: top + OVERZOOM, minNativeZoom: 0,
      maxNativeZoom: top, noWrap: true, keepBuffer: 2, updateWhenIdle: false,
    }).once("load", onLoad).addTo(this.map);
    this.bounds = bounds;
    this.map.on("zoomend", () => {
      this.element.classList.toggle("sharp", this.map.getZoom() > top + 0.5);
    });
    this.whole();
    return this.map;
  }

  whole() { this.map.fitBounds(this.bounds); }

  // The window of the scene that is seen: left, top, right, bottom.
  window() {
    const seen = this.map.getBounds();
    return [seen.getWest(), seen.getSouth(), seen.getEast(), seen.getNorth()];
  }
}
