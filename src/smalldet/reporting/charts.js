// Draws each .chart of the page by the Vega-Lite spec inside it, in the page's colours, when it
// comes into view; again when the reader's machine turns dark or light.
"use strict";
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const config = (width) => {
    const text = colour("--text"), soft = colour("--soft"), line = colour("--line");
    const font = getComputedStyle(document.body).fontFamily;
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    return {
      background: "transparent", font, view: { stroke: "transparent" },
      axis: { labelColor: soft, titleColor: soft, gridColor: line, domainColor: line,
        tickColor: line, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" },
      axisYQuantitative: { minExtent: 44 }, axisQuantitative: { tickCount: 5 },
      legend: { orient: "top", columns: Math.max(2, Math.floor(width / 150)), symbolOpacity: 1, labelColor: text, titleColor: soft, labelFontSize: 12, titleFontSize: 12,
        titleFontWeight: "normal", labelLimit: 180 },
      title: { color: text, fontSize: 14, anchor: "start", fontWeight: 600 },
      mark: { color: colour("--bar") }, text: { color: text, fontSize: 12 }, rule: { color: soft },
      range: { category: dark
        ? ["#6cb0ff", "#f2a65a", "#6fcf77", "#ff7b72", "#c39bf0", "#5fd0cf", "#f28ec0", "#d6c35a",
           "#9aa4b5", "#b98f6e"]
        : ["#2f6fb3", "#d9731a", "#2e7d32", "#c62828", "#7b4fb5", "#0f8a8a", "#c2447f", "#9c8412",
           "#6b7483", "#8a5a3b"] },
    };
  };

  const draw = (box) => {
    const spec = JSON.parse(box.querySelector("script").textContent);
    let plot = box.querySelector(".plot");
    if (box.view) box.view.finalize();
    if (!plot) { plot = document.createElement("div"); plot.className = "plot"; box.append(plot); }
    plot.replaceChildren();
    const compiled = vegaLite.compile(spec, { config: config(box.clientWidth) }).spec;
    box.view = new vega.View(vega.parse(compiled), { renderer: "svg", container: plot, hover: true });
    box.view.runAsync().catch((error) => { plot.textContent = `Chart failed: ${error.message}`; });
  };

  const boxes = [...document.querySelectorAll(".chart")];
  const seen = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting || seen.has(entry.target)) continue;
      seen.add(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "300px" });
  boxes.forEach((box) => watcher.observe(box));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => seen.forEach(draw));
  // What is printed or saved is whole.
  addEventListener("beforeprint", () => boxes.filter((box) => !seen.has(box)).forEach((box) => {
    seen.add(box);
    draw(box);
  }));
})();
