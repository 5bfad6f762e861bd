// The panel on the right: the scene, the job, the score, and counts by class.

export class Panel {
  constructor(element, { onChange, onCancel, onDownload }) {
    this.element = element; this.onChange = onChange;
    this.$ = (selector) => element.querySelector(selector);
    this.slider = this.$(".score input");
    this.slider.addEventListener("input", () => {
      if (!this.current) return;
      this.current.score = Number(this.slider.value);
      this.tell();
    });
    for (const name of ["objects", "errors"]) {
      this.$(`[name=${name}]`).addEventListener("change", (event) => {
        if (this.current) this.current[name] = event.target.checked;
        this.tell();
      });
    }
    this.$(".cancel").addEventListener("click", onCancel);
    this.$(".download").addEventListener("submit", (event) => {
      event.preventDefault();
      onDownload(this.$("[name=format]").value);
    });
  }

  formats(names) {
    this.$("[name=format]").replaceChildren(...names.map((name) => new Option(name)));
  }

  scene({ name, width, height, gsd_m: gsd }) {
    this.current = null;
    this.element.hidden = false;
    this.$(".scene-name").textContent = name;
    this.$(".facts").textContent = `${width.toLocaleString()} × ${height.toLocaleString()} px`
      + (gsd ? `, ${Number(gsd.toPrecision(3))} m a pixel` : "");
    for (const part of [".results", ".progress", ".crop"]) this.$(part).hidden = true;
  }

  progress(job) {
    const isGoing = job.state === "waiting" || job.state === "running";
    this.$(".progress").hidden = !isGoing;
    const bar = this.$("progress");
    if (job.total) bar.value = job.done / job.total; else bar.removeAttribute("value");
    this.$(".progress span").textContent = job.total
      ? `${job.done} of ${job.total} tiles` : job.state === "waiting" ? "waits" : "begins";
  }

  found(found, names, colours, conf, viewer) {
    this.current = found;
    let least = 1;
    for (const score of found.boxes.score) least = Math.min(least, score);
    this.slider.min = Math.floor(100 * Math.min(least, conf)) / 100;
    this.slider.value = found.score = Math.max(Number(this.slider.min), Math.min(least, conf));
    this.$(".truth").hidden = !found.truth;
    found.objects = this.$("[name=objects]").checked && Boolean(found.truth);
    found.errors = this.$("[name=errors]").checked && Boolean(found.truth);
    this.cells = names.map(() => [document.createElement("td"), document.createElement("td")]);
    this.$("tbody").replaceChildren(...names.map((name, label) => this.row(name, colours[label], label)));
    this.$(".results").hidden = false;
    this.viewer = viewer;
    this.tell();
  }

  row(name, colour, label) {
    const row = document.createElement("tr"), cell = document.createElement("td");
    const choice = document.createElement("label"), box = document.createElement("input");
    const swatch = document.createElement("canvas"), drawing = swatch.getContext("2d");
    swatch.width = swatch.height = 12;
    drawing.fillStyle = colour;
    drawing.fillRect(0, 0, 12, 12);
    box.type = "checkbox"; box.checked = true;
    box.addEventListener("change", () => {
      this.current.hidden[label] = box.checked ? 0 : 1;
      this.tell();
    });
    choice.append(box, swatch, name);
    cell.append(choice);
    row.append(cell, ...this.cells[label]);
    return row;
  }

  tell() {
    const found = this.current;
    if (!found) return;
    this.$(".score output").textContent = found.score.toFixed(2);
    found.counts().forEach((num, label) => { this.cells[label][1].textContent = num.toLocaleString(); });
    if (found.truth) {
      const { hits, falseAlarms, missed } = found.tally();
      this.$(".errors").textContent = `${hits} found, ${falseAlarms} false alarms, ${missed} missed`;
    }
    this.onChange();
  }

  count(found, viewer) {
    if (!found || found !== this.current) return;
    found.counts(viewer.window()).forEach((num, label) => {
      this.cells[label][0].textContent = num.toLocaleString();
    });
  }
}
