// The page: what is chosen, and what follows from it.

import { AreaTool } from "./area.js";
import { showCrop } from "./crop.js";
import { Found } from "./found.js";
import { BoxLayer } from "./layer.js";
import { listJobs, listScenes } from "./lists.js";
import { login } from "./login.js";
import { Panel } from "./panel.js";
import {
  ask, askColumns, askJson, download, follow, isOver, makeJob, sceneQuery, whenTokenIsNeeded,
} from "./service.js";
import { Viewer } from "./viewer.js";

const $ = (selector) => document.querySelector(selector);
const CLICK_PX = 4;
const CONF_SHARE = 1 / 3; // jobs of the page look this far below the model's score, for the slider

const page = { model: null, names: [], jobs: [], scene: null, job: null, found: null };
const files = new Map(); // of jobs whose picture was sent from here
const viewer = new Viewer($(".map"));
const panel = new Panel($(".found"), {
  onChange: () => { layer.ask(); panel.count(page.found, viewer); },
  onCancel: () => trying(() => ask(`jobs/${page.job.id}/cancel`, { method: "POST" })),
  onDownload: (format) => trying(() => download(`jobs/${page.job.id}/result?${new URLSearchParams({ format })}`)),
});
const layer = new BoxLayer((raster, view) => page.found?.draw(raster, view));
const area = new AreaTool($(".draw-area"), (tool) => {
  $(".find-all").textContent = tool.hasArea ? "Find objects in the area" : "Find objects";
});
let unfollow = () => {};
let shown = 0; // scenes that were asked for: what comes late for another one is dropped

function say(text, isWrong = false) {
  $(".told").textContent = text;
  $(".told").classList.toggle("wrong", isWrong);
}

async function trying(work) {
  try { return await work(); } catch (error) { say(error.message, true); return undefined; }
}

function lists() {
  listScenes($(".scenes"), page.names, $(".find").value, page.job ? null : page.scene?.name,
    (name) => trying(() => showScene({ name })));
  listJobs($(".jobs"), page.jobs, page.job?.id, (job) => trying(() => showJob(job)), removeJob);
}

async function refreshJobs() {
  page.jobs = await askJson("jobs");
  lists();
}

async function removeJob(job) {
  await trying(() => ask(`jobs/${job.id}`, { method: "DELETE" }));
  await trying(refreshJobs);
}

async function showScene(which) {
  const number = ++shown;
  say("Opening …");
  const facts = await askJson(`scene?${sceneQuery(which)}`);
  if (number !== shown) return false;
  unfollow();
  Object.assign(page, { scene: { ...facts, ...which }, job: null, found: null });
  document.body.classList.add("has-scene");
  $(".tools").hidden = false;
  panel.scene(page.scene);
  const map = viewer.show(page.scene, () => { if (number === shown) say(""); });
  layer.addTo(map);
  area.use(map);
  map.on("moveend", () => panel.count(page.found, viewer));
  map.on("click", (event) => { if (!area.drawing) choose(event.latlng); });
  map.on("mousemove", ({ latlng }) => {
    $(".place").textContent = `${Math.floor(latlng.lng)}, ${Math.floor(latlng.lat)}`;
  });
  say(facts.ready ? "" : "The scene is read through once, for its coarse tiles …");
  lists();
  return true;
}

async function showJob(job) {
  if (!await showScene(job.sent ? { job: job.id } : { name: job.name })) return;
  page.job = job;
  lists();
  unfollow = follow(job.id, (now) => trying(() => onJob(now)));
}

async function onJob(job) {
  if (page.job?.id !== job.id) return;
  page.job = job;
  page.jobs = page.jobs.map((one) => (one.id === job.id ? job : one));
  panel.progress(job);
  lists();
  if (!isOver(job)) return;
  if (job.state !== "done") { say(job.message || job.state, job.state === "failed"); return; }
  if (job.message) say(job.message);
  const [boxes, truth] = await Promise.all([
    askColumns(`jobs/${job.id}/boxes`),
    page.scene.truth ? askColumns(`jobs/${job.id}/truth`) : null,
  ]);
  if (page.job?.id !== job.id) return;
  page.found = new Found(boxes, truth, page.scene, job.class_names, page.model.colours);
  panel.found(page.found, job.class_names, page.model.colours, page.model.conf, viewer);
  layer.ask();
}

async function findObjects(what) {
  say(what.file ? "Sending …" : "");
  const job = await makeJob({ ...what, conf: (page.model.conf * CONF_SHARE).toFixed(3) });
  if (what.file) files.set(job.id, what.file);
  await refreshJobs();
  await showJob(job);
}

function choose({ lng: x, lat: y }) {
  if (!page.found) return;
  const reach = CLICK_PX / viewer.map.options.crs.scale(viewer.map.getZoom());
  const i = page.found.at(x, y, reach);
  page.found.chosen = i;
  layer.ask();
  if (i < 0) { $(".crop").hidden = true; return; }
  const { x1, y1, x2, y2, score, label } = page.found.boxes;
  const box = [x1[i], y1[i], x2[i], y2[i]], px = Math.sqrt((box[2] - box[0]) * (box[3] - box[1]));
  const metres = page.scene.gsd_m ? `, ${(px * page.scene.gsd_m).toFixed(1)} m` : "";
  const text = `${page.found.classNames[label[i]]} ${score[i].toFixed(2)}, ${px.toFixed(1)} px${metres} at ${Math.round(x)}, ${Math.round(y)}`;
  trying(() => showCrop($(".crop"), page.scene, box, page.model.colours[label[i]], text));
}

async function findAgain() {
  const { job, name } = page.scene;
  if (job && !files.has(job)) throw new Error("drop the picture again to look for objects in it");
  await findObjects({ ...(job ? { file: files.get(job) } : { name }), area: area.area });
}

function takeFile(file) { if (file) trying(() => findObjects({ file })); }

function listen() {
  $(".find").addEventListener("input", lists);
  $(".whole").addEventListener("click", () => viewer.whole());
  $(".find-all").addEventListener("click", () => trying(findAgain));
  $(".drop input").addEventListener("change", (event) => { takeFile(event.target.files[0]); event.target.value = ""; });
  addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    takeFile(event.dataTransfer.files[0]);
  });
}

async function begin() {
  whenTokenIsNeeded(login);
  listen();
  page.model = await askJson("model");
  $(".model").textContent = `${page.model.model}, ${page.model.class_names.join(", ")}`;
  panel.formats(page.model.formats);
  $(".scenes-part").hidden = !page.model.data_folder;
  page.names = (await askJson("scenes")).names;
  await refreshJobs();
}

// For tests and measurements.
Object.assign(window, { smalldet: { page, viewer, layer } });
trying(begin);
