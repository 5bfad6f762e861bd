// The lists on the left: pictures of the data folder, and jobs.

const MAX_SHOWN = 300;

function item(text, small, isChosen, onChoose) {
  const li = document.createElement("li"), button = document.createElement("button");
  button.type = "button";
  button.append(text);
  if (small) {
    const more = document.createElement("small");
    more.textContent = small;
    button.append(more);
  }
  button.addEventListener("click", onChoose);
  li.classList.toggle("chosen", isChosen);
  li.append(button);
  return li;
}

export function listScenes(list, names, wanted, chosen, onChoose) {
  const met = names.filter((name) => name.toLowerCase().includes(wanted.toLowerCase()));
  const items = met.slice(0, MAX_SHOWN)
    .map((name) => item(name, "", name === chosen, () => onChoose(name)));
  if (met.length > MAX_SHOWN) items.push(`${met.length - MAX_SHOWN} more`);
  list.replaceChildren(...items);
}

export function listJobs(list, jobs, chosen, onChoose, onRemove) {
  list.replaceChildren(...jobs.map((job) => {
    const li = item(job.name, told(job), job.id === chosen, () => onChoose(job));
    if (["done", "failed", "cancelled"].includes(job.state)) {
      const remove = document.createElement("button");
      remove.type = "button"; remove.className = "remove"; remove.textContent = "×";
      remove.title = remove.ariaLabel = `Remove the job of ${job.name}`;
      remove.addEventListener("click", () => onRemove(job));
      li.append(remove);
    }
    return li;
  }));
}

function told(job) {
  if (job.state === "running") return job.total ? `${Math.floor(100 * job.done / job.total)} %` : "begins";
  if (job.state !== "done") return job.message ? `${job.state}: ${job.message}` : job.state;
  const counts = Object.entries(job.counts).map(([name, num]) => `${num} ${name}`);
  return counts.join(", ") || "nothing found";
}
