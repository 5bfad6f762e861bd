// Boxes by cells of a square grid, so that those in view are found without a look at the others.

const MAX_CELLS = 256;

export class Grid {
  // columns: x1, y1, x2, y2 of `rows` boxes in pixels of a scene of width x height.
  constructor(columns, width, height) {
    this.columns = columns;
    this.side = Math.max(width, height) / MAX_CELLS;
    this.across = Math.max(1, Math.ceil(width / this.side));
    this.down = Math.max(1, Math.ceil(height / this.side));
    this.reach = 0; // the largest side of a box: how far one reaches out of its cell
    const { x1, y1, x2, y2, rows } = columns;
    const cells = new Uint32Array(rows);
    this.starts = new Uint32Array(this.across * this.down + 1);
    for (let i = 0; i < rows; i += 1) {
      cells[i] = this.cell(x1[i], y1[i]);
      this.starts[cells[i] + 1] += 1;
      this.reach = Math.max(this.reach, x2[i] - x1[i], y2[i] - y1[i]);
    }
    for (let i = 1; i < this.starts.length; i += 1) this.starts[i] += this.starts[i - 1];
    const next = this.starts.slice();
    this.order = new Uint32Array(rows);
    for (let i = 0; i < rows; i += 1) this.order[next[cells[i]]++] = i;
  }

  column(x) { return Math.min(this.across - 1, Math.max(0, Math.floor(x / this.side))); }

  row(y) { return Math.min(this.down - 1, Math.max(0, Math.floor(y / this.side))); }

  cell(x, y) { return this.row(y) * this.across + this.column(x); }

  // Calls with the number of every box that may meet the window.
  within(left, top, right, bottom, visit) {
    const { x1, y1, x2, y2 } = this.columns;
    const first = this.column(left - this.reach), last = this.column(right);
    for (let row = this.row(top - this.reach); row <= this.row(bottom); row += 1) {
      const from = this.starts[row * this.across + first];
      const to = this.starts[row * this.across + last + 1];
      for (let k = from; k < to; k += 1) {
        const i = this.order[k];
        if (x2[i] >= left && x1[i] <= right && y2[i] >= top && y1[i] <= bottom) visit(i);
      }
    }
  }
}
