// Drawing an area: a click for each corner, a double click or Enter at the end, Escape leaves it.

const { L } = window;
const STYLE = { color: "#fff", weight: 2, dashArray: "6 4", fillOpacity: 0.12 };

export class AreaTool {
  constructor(button, onChange) {
    this.button = button; this.onChange = onChange;
    this.corners = []; this.drawing = false; this.map = null;
    button.addEventListener("click", () => (this.drawing ? this.end() : this.begin()));
    addEventListener("keydown", (event) => {
      if (this.drawing && event.key === "Enter") this.end();
      if (event.key === "Escape") this.clear();
    });
  }

  use(map) {
    this.map = map; this.shape = null;
    this.clear();
    map.on("click", (event) => { if (this.drawing) this.add(event.latlng); });
    map.on("dblclick", () => { if (this.drawing) this.end(); });
  }

  get hasArea() { return this.corners.length > 2 && !this.drawing; }

  // A GeoJSON polygon in pixels of the scene, or null.
  get area() {
    if (!this.hasArea) return null;
    const ring = this.corners.map(({ lng, lat }) => [lng, lat]);
    return { type: "Polygon", coordinates: [[...ring, ring[0]]] };
  }

  begin() { this.clear(); this.drawing = true; this.told(); }

  add(corner) { this.corners.push(corner); this.told(); }

  end() {
    this.drawing = false;
    // a double click is two clicks at one place
    this.corners = this.corners.filter((c, i, all) => !i || !c.equals(all[i - 1]));
    if (this.corners.length < 3) this.corners = [];
    this.told();
  }

  clear() { this.corners = []; this.drawing = false; this.told(); }

  told() {
    this.shape?.remove();
    this.shape = null;
    if (this.map && this.corners.length) {
      const make = this.drawing ? L.polyline : L.polygon;
      this.shape = make(this.corners, { ...STYLE, interactive: false }).addTo(this.map);
    }
    this.map?.getContainer().classList.toggle("drawing", this.drawing);
    this.button.setAttribute("aria-pressed", this.drawing);
    this.button.textContent = this.drawing ? "End the area" : this.hasArea ? "Draw another area" : "Draw an area";
    this.onChange(this);
  }
}
