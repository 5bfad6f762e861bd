// What the page asks of the service.

let askToken = () => Promise.reject(new Error("no token"));

export function whenTokenIsNeeded(ask) { askToken = ask; }

export async function ask(path, options = {}) {
  const answer = await fetch(path, options);
  if (answer.status === 401) {
    await askToken();
    return ask(path, options);
  }
  if (!answer.ok) throw new Error(await reason(answer));
  return answer;
}

export const askJson = async (path, options) => (await ask(path, options)).json();

async function reason(answer) {
  try {
    const { detail } = await answer.json();
    return typeof detail === "string" ? detail : detail.map((one) => one.msg).join("; ");
  } catch {
    return `the service answers ${answer.status}`;
  }
}

// Columns of float32, one after the other, by name; see the service's columns.
export async function askColumns(path) {
  const answer = await ask(path);
  const names = answer.headers.get("X-Columns").split(",");
  const values = new Float32Array(await answer.arrayBuffer());
  const rows = values.length / names.length;
  const columns = { rows };
  names.forEach((name, i) => { columns[name] = values.subarray(i * rows, (i + 1) * rows); });
  return columns;
}

// Saves an answer under the name that the service gives it.
export async function download(path) {
  const answer = await ask(path);
  const told = /filename="?([^";]+)"?/.exec(answer.headers.get("Content-Disposition") ?? "");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = told ? told[1] : "detections.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

export const sceneQuery = (scene) => new URLSearchParams(
  scene.job ? { job: scene.job } : { name: scene.name }).toString();

// Tells of a job until it is over; gives a function that ends it.
export function follow(id, onChange) {
  const source = new EventSource(`jobs/${id}/events`);
  source.addEventListener("job", (event) => {
    const job = JSON.parse(event.data);
    if (isOver(job)) source.close();
    onChange(job);
  });
  return () => source.close();
}

export const isOver = (job) => ["done", "failed", "cancelled"].includes(job.state);

export function makeJob({ name, file, area, conf }) {
  const query = new URLSearchParams();
  if (name) query.set("name", name);
  if (conf !== undefined) query.set("conf", conf);
  const form = new FormData();
  if (file) form.set("file", file);
  if (area) form.set("area", JSON.stringify(area));
  const body = file || area ? form : undefined;
  return askJson(`jobs?${query}`, { method: "POST", body });
}
