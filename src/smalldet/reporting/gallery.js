// The gallery of errors: filters, cards as they come into view, a large view, and the keyboard.
// Crops are small JPEGs in the pixels of the picture; boxes are drawn over them here.
"use strict";
(() => {
  const root = document.querySelector(".gallery");
  if (!root) return;
  const [first, ...parts] = root.querySelectorAll("script[type='application/json']");
  const data = JSON.parse(first.textContent);
  const opened = new Map();
  const imageOf = (index) => {
    const part = Math.floor(index / data.together);
    if (!opened.has(part)) opened.set(part, JSON.parse(parts[part].textContent));
    return opened.get(part)[index % data.together];
  };
  const STEP = 60;
  const chosen = { kind: "", label: "", size: "" };
  let rows = [], shown = 0, open = -1, withBoxes = true, near = false;

  const make = (tag, options = {}, ...inside) => {
    const element = Object.assign(document.createElement(tag), options);
    element.append(...inside);
    return element;
  };
  const total = (kind, label, size) => data.counts
    .filter(([k, l, s]) => (kind === "" || k === +kind) && (label === "" || l === +label) &&
      (size === "" || s === +size))
    .reduce((sum, [, , , count]) => sum + count, 0);
  const number = (value) => value.toLocaleString("en");

  // --- one error
  const words = (one) => {
    const sure = one.score ? `, score ${one.score.toFixed(2)}` : "";
    const other = one.is >= 0 && one.is !== one.label ? ` on ${data.labels[one.is]}` : "";
    return `${data.labels[one.label]}${other}, ${one.side} ${data.unit}${sure}`;
  };
  const boxesOf = (one) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 ${one.width} ${one.height}`);
    svg.setAttribute("aria-hidden", "true");
    for (const [role, x, y, w, h] of one.boxes) {
      const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      Object.entries({ x, y, width: w, height: h, class: data.roles[role] })
        .forEach(([key, value]) => box.setAttribute(key, value));
      svg.append(box);
    }
    return svg;
  };
  const picture = (index) => {
    const one = data.errors[index], image64 = imageOf(index);
    if (!image64) return make("div", { className: "crop broken", textContent: "cannot be shown" });
    const image = make("img", { src: `data:image/jpeg;base64,${image64}`, alt: "",
      decoding: "async" });
    const frame = make("div", { className: "crop" }, image, boxesOf(one));
    frame.style.aspectRatio = `${one.width} / ${one.height}`;
    return frame;
  };
  const card = (row) => {
    const one = data.errors[rows[row]];
    const button = make("button", { className: "error-card", type: "button" },
      picture(rows[row]),
      make("span", { className: `kind k${one.kind}`, textContent: data.kinds[one.kind] }),
      make("span", { className: "words", textContent: words(one) }));
    button.dataset.row = row;
    button.title = data.pictures[one.picture];
    button.addEventListener("click", () => show(row));
    return button;
  };

  // --- the list
  const cards = root.querySelector(".cards"), told = root.querySelector(".told");
  const more = root.querySelector(".more");
  const extend = () => {
    const end = Math.min(shown + STEP, rows.length);
    const part = document.createDocumentFragment();
    for (; shown < end; shown += 1) part.append(card(shown));
    cards.append(part);
    more.hidden = shown >= rows.length;
  };
  const list = () => {
    rows = data.errors.flatMap((one, i) =>
      Object.entries(chosen).every(([key, value]) => value === "" || one[key] === +value) ? [i] : []);
    cards.replaceChildren();
    shown = 0;
    more.hidden = !rows.length;
    if (near) extend();
    const all = total(chosen.kind, chosen.label, chosen.size);
    told.textContent = all
      ? `${number(rows.length)} of ${number(all)} errors are kept with their crops, worst first.`
      : "No such errors.";
    for (const select of root.querySelectorAll("select")) {
      for (const option of select.options) {
        const at = { ...chosen, [select.name]: option.value };
        option.textContent = `${option.dataset.name} (${number(total(at.kind, at.label, at.size))})`;
      }
    }
  };
  for (const select of root.querySelectorAll("select")) {
    const names = { kind: data.kinds, label: data.labels, size: data.sizes }[select.name];
    ["all", ...names].forEach((name, i) => {
      const option = make("option", { value: i ? String(i - 1) : "" });
      option.dataset.name = name;
      select.append(option);
    });
    select.addEventListener("change", () => { chosen[select.name] = select.value; list(); });
  }
  more.addEventListener("click", extend);
  new IntersectionObserver((entries) => {
    const { isIntersecting } = entries.at(-1);
    near ||= isIntersecting;
    if (isIntersecting && !more.hidden) extend();
  }, { rootMargin: "500px" }).observe(more);

  // --- the large view
  const dialog = root.querySelector("dialog"), stage = dialog.querySelector(".stage");
  const show = (row) => {
    open = row;
    while (shown <= row) extend();
    const one = data.errors[rows[row]];
    stage.replaceChildren(picture(rows[row]), make("p", {},
      make("span", { className: `kind k${one.kind}`, textContent: data.kinds[one.kind] }),
      ` ${words(one)}`), make("p", { className: "soft", textContent:
      `${data.pictures[one.picture]}, at ${one.at[0]}, ${one.at[1]} px; ` +
      `${row + 1} of ${rows.length}` }));
    dialog.classList.toggle("bare", !withBoxes);
    if (!dialog.open) dialog.showModal();
  };
  dialog.addEventListener("close", () => focusCard(open));
  dialog.querySelector("button").addEventListener("click", () => dialog.close());

  // --- the keyboard: arrows between crops, b for boxes; Enter and Escape are the browser's own
  const focusCard = (row) => {
    while (shown <= row && shown < rows.length) extend();
    const target = cards.children[row];
    if (target) { target.focus(); target.scrollIntoView({ block: "nearest" }); }
  };
  const columns = () => {
    const top = cards.children[0]?.offsetTop;
    const below = [...cards.children].findIndex((one) => one.offsetTop > top);
    return below < 0 ? cards.children.length : below;
  };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const focused = document.activeElement?.closest?.(".error-card");
    if (!dialog.open && !focused) return;
    if (event.key === "b") {
      withBoxes = !withBoxes;
      dialog.classList.toggle("bare", !withBoxes);
      cards.classList.toggle("bare", !withBoxes);
      return;
    }
    const line = dialog.open ? 1 : columns();
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: line, ArrowUp: -line }[event.key];
    if (!step) return;
    event.preventDefault();
    const row = (dialog.open ? open : +focused.dataset.row) + step;
    if (row < 0 || row >= rows.length) return;
    if (dialog.open) show(row); else focusCard(row);
  });
  list();
})();
