// Outlines drawn pixel by pixel into a picture: a hundred thousand of them take some 14 ms of a core.

export class Raster {
  constructor(width, height) {
    this.width = width; this.height = height;
    this.image = new ImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  clear() { this.pixels.fill(0); }

  // Edges at whole pixels x1..x2, y1..y2; what leaves the picture is left out.
  box(x1, y1, x2, y2, colour, thick) {
    for (let k = 0; k < thick; k += 1) {
      this.across(x1 - k, x2 + k, y1 - k, colour);
      this.across(x1 - k, x2 + k, y2 + k, colour);
      this.down(x1 - k, y1 - k, y2 + k, colour);
      this.down(x2 + k, y1 - k, y2 + k, colour);
    }
  }

  across(x1, x2, y, colour) {
    if (y < 0 || y >= this.height) return;
    const start = y * this.width, end = start + (x2 < this.width ? x2 : this.width - 1);
    for (let i = start + (x1 > 0 ? x1 : 0); i <= end; i += 1) this.pixels[i] = colour;
  }

  down(x, y1, y2, colour) {
    if (x < 0 || x >= this.width) return;
    const end = (y2 < this.height ? y2 : this.height - 1) * this.width + x;
    for (let i = (y1 > 0 ? y1 : 0) * this.width + x; i <= end; i += this.width) this.pixels[i] = colour;
  }

  // A straight line; both ends may leave the picture.
  line(x1, y1, x2, y2, colour) {
    const steps = Math.max(Math.abs(x2 - x1), Math.abs(y2 - y1), 1);
    if (steps > 4 * (this.width + this.height)) return;
    const dx = (x2 - x1) / steps, dy = (y2 - y1) / steps;
    for (let k = 0; k <= steps; k += 1) {
      const x = Math.round(x1 + k * dx), y = Math.round(y1 + k * dy);
      if (x >= 0 && y >= 0 && x < this.width && y < this.height) {
        this.pixels[y * this.width + x] = colour;
      }
    }
  }
}

// 0xaabbggrr of `#rrggbb`, as pixels lie in memory.
export function packed(colour) {
  const value = parseInt(colour.slice(1), 16);
  return (0xff000000 | (value & 0xff) << 16 | (value & 0xff00) | value >> 16) >>> 0;
}
