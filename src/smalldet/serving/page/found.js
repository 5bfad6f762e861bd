// What was found in a scene, and the truth: which of it is shown, counted, drawn, and met.

import { Grid } from "./grid.js";
import { packed } from "./raster.js";

const TRUTH = packed("#ffffff"), MISSED = packed("#ff1744"), FALSE = packed("#ff9100");
const FALSE_ALARM = 2, HIT = 1;

export class Found {
  // boxes, truth: columns; truth may be null. colours: of each class.
  constructor(boxes, truth, scene, classNames, colours) {
    Object.assign(this, { boxes, truth, classNames });
    this.colours = colours.map(packed);
    this.grid = new Grid(boxes, scene.width, scene.height);
    this.truthGrid = truth && new Grid(truth, scene.width, scene.height);
    this.hidden = new Uint8Array(classNames.length);
    this.score = 0;
    this.objects = false;
    this.errors = false;
    this.chosen = -1;
  }

  isShown(i) {
    const { score, label, verdict } = this.boxes;
    return score[i] >= this.score && !this.hidden[label[i]]
      && (!this.errors || verdict[i] === FALSE_ALARM);
  }

  isMissed(i) { return !this.truth.ignore[i] && this.truth.found_at[i] < this.score; }

  // Objects of each class: in a window, or all.
  counts(window) {
    const counts = new Array(this.classNames.length).fill(0);
    const count = (i) => { if (this.boxes.score[i] >= this.score) counts[this.boxes.label[i]] += 1; };
    if (window) {
      this.grid.within(...window, (i) => {
        const { x1, y1, x2, y2 } = this.boxes;
        const x = (x1[i] + x2[i]) / 2, y = (y1[i] + y2[i]) / 2;
        if (x >= window[0] && y >= window[1] && x < window[2] && y < window[3]) count(i);
      });
    } else {
      for (let i = 0; i < this.boxes.rows; i += 1) count(i);
    }
    return counts;
  }

  // Hits, false alarms and misses at the score.
  tally() {
    const told = { hits: 0, falseAlarms: 0, missed: 0 };
    const { score, verdict, rows } = this.boxes;
    for (let i = 0; i < rows; i += 1) {
      if (score[i] < this.score) continue;
      if (verdict[i] === HIT) told.hits += 1;
      if (verdict[i] === FALSE_ALARM) told.falseAlarms += 1;
    }
    for (let i = 0; i < this.truth.rows; i += 1) if (this.isMissed(i)) told.missed += 1;
    return told;
  }

  draw(raster, view) {
    const right = view.left + raster.width / view.scale;
    const bottom = view.top + raster.height / view.scale;
    const window = [view.left, view.top, right, bottom];
    const thick = view.scale >= 1 ? 2 : 1;
    if (this.truth && (this.objects || this.errors)) {
      this.truthGrid.within(...window, (i) => {
        if (this.hidden[this.truth.label[i]] || this.truth.ignore[i]) return;
        const missed = this.isMissed(i);
        if (missed && this.errors) outline(raster, view, this.truth, i, MISSED, thick, 0);
        else if (this.objects) outline(raster, view, this.truth, i, TRUTH, 1, 0);
      });
    }
    this.grid.within(...window, (i) => {
      if (!this.isShown(i)) return;
      const colour = this.errors ? FALSE : this.colours[this.boxes.label[i]];
      outline(raster, view, this.boxes, i, colour, i === this.chosen ? thick + 2 : thick, 1);
    });
  }

  // The smallest shown box that holds a point, or is within `reach` of it; -1 if none.
  at(x, y, reach) {
    let best = -1, bestArea = Infinity;
    const { x1, y1, x2, y2 } = this.boxes;
    this.grid.within(x - reach, y - reach, x + reach, y + reach, (i) => {
      const area = (x2[i] - x1[i]) * (y2[i] - y1[i]);
      if (this.isShown(i) && area < bestArea) { best = i; bestArea = area; }
    });
    return best;
  }
}

// Outside of the box by `gap`, so that a small object stays to be seen.
function outline(raster, view, boxes, i, colour, thick, gap) {
  if (boxes.angle) {
    turned(raster, view, boxes, i, colour);
    return;
  }
  const x1 = Math.round((boxes.x1[i] - view.left) * view.scale) - gap;
  const y1 = Math.round((boxes.y1[i] - view.top) * view.scale) - gap;
  const x2 = Math.round((boxes.x2[i] - view.left) * view.scale) + gap;
  const y2 = Math.round((boxes.y2[i] - view.top) * view.scale) + gap;
  raster.box(x1, y1, x2, y2, colour, thick);
}

function turned(raster, view, boxes, i, colour) {
  const [cos, sin] = [Math.cos(boxes.angle[i]), Math.sin(boxes.angle[i])];
  const w = boxes.w[i] / 2, h = boxes.h[i] / 2;
  const corners = [[-w, -h], [w, -h], [w, h], [-w, h]].map(([x, y]) => [
    Math.round((boxes.cx[i] + x * cos - y * sin - view.left) * view.scale),
    Math.round((boxes.cy[i] + x * sin + y * cos - view.top) * view.scale),
  ]);
  corners.forEach((from, k) => raster.line(...from, ...corners[(k + 1) % 4], colour));
}
