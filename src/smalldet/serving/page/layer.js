// A layer of the map with boxes on one canvas. It is larger than the map and moves with it, so that
// it is drawn anew only where the map leaves it.

import { Raster } from "./raster.js";

const { L } = window;
const MARGIN = 0.25; // of the map's size, on each side

export const BoxLayer = L.Layer.extend({
  // draw(raster, view): view has left, top (pixels of the scene) and scale (of the screen).
  initialize(draw) { this.draw = draw; this.times = []; },

  onAdd(map) {
    this.canvas = L.DomUtil.create("canvas", "boxes leaflet-zoom-animated");
    map.getPane("overlayPane").append(this.canvas);
    map.on("move", this.follow, this);
    map.on("resize zoomend viewreset moveend", this.ask, this);
    map.on("zoomanim", this.stretch, this);
    this.ask();
  },

  onRemove(map) {
    this.canvas.remove();
    map.off("move", this.follow, this);
    map.off("resize zoomend viewreset moveend", this.ask, this);
    map.off("zoomanim", this.stretch, this);
  },

  ask() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => { this.asked = 0; this.redraw(); });
  },

  // Drawn anew while the map moves only where it would show what is not drawn.
  follow() {
    if (!this.corner || this._map._animatingZoom) return;
    const { x, y } = this._map.latLngToContainerPoint(this.corner), size = this._map.getSize();
    const isCovered = x <= 0 && y <= 0 && x + this.size.x >= size.x && y + this.size.y >= size.y;
    if (!isCovered) this.ask();
  },

  redraw() {
    const map = this._map;
    if (!map || map._animatingZoom) return;
    const started = performance.now();
    const dense = window.devicePixelRatio || 1, margin = map.getSize().multiplyBy(MARGIN).round();
    const size = map.getSize().add(margin.multiplyBy(2));
    const width = Math.round(size.x * dense), height = Math.round(size.y * dense);
    if (!map.getSize().x || !map.getSize().y) return;
    if (!this.raster || this.raster.width !== width || this.raster.height !== height) {
      this.raster = new Raster(width, height);
      this.canvas.width = width; this.canvas.height = height;
      this.canvas.style.width = `${size.x}px`; this.canvas.style.height = `${size.y}px`;
    }
    const start = margin.multiplyBy(-1);
    Object.assign(this, { size, corner: map.containerPointToLatLng(start), zoom: map.getZoom() });
    L.DomUtil.setTransform(this.canvas, map.containerPointToLayerPoint(start), 1);
    this.raster.clear();
    const scale = map.options.crs.scale(this.zoom) * dense;
    this.draw(this.raster, { left: this.corner.lng, top: this.corner.lat, scale });
    this.canvas.getContext("2d").putImageData(this.raster.image, 0, 0);
    this.times.push(performance.now() - started);
    if (this.times.length > 240) this.times.shift();
  },

  // While the map zooms, what was drawn is stretched with it.
  stretch(event) {
    if (!this.corner) return;
    const scale = this._map.getZoomScale(event.zoom, this.zoom);
    const at = this._map._latLngToNewLayerPoint(this.corner, event.zoom, event.center);
    L.DomUtil.setTransform(this.canvas, at, scale);
  },
});
