"""The page of `smalldet serve` over a scene of 30,000 px with 100,000 boxes: frames a second.

    python -m benchmarks.speed.serving_page [--side 30000] [--boxes 100000] [--out FOLDER]

The scene is the demo's drawn one, laid side by side into a GeoTIFF without overviews. The boxes
are its objects, laid into the server's folder as those of a finished job. A headless Chromium
without a graphics card pans over the scene, once with all boxes on the screen; told are frames a
second, the time that drawing the boxes takes of each, and the server's memory. `--out` gets
screenshots, and keeps the scene.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from cyclopts import run
from rasterio.transform import from_origin
from rasterio.windows import Window

from benchmarks.speed.serving import port_of, rss_mb
from smalldet.data.index import ImageRecord
from smalldet.demo.scene import draw_scene
from smalldet.detections import Detections
from smalldet.serving.asks import Ask
from smalldet.serving.jobs import Job, JobStore
from tests.serving.browser import Browser

PATCH = (3200, 2400)
NAME = "large.tif"
PAN = """
const [zoom, seconds, done] = arguments, { viewer, layer } = smalldet, map = viewer.map;
map.setView(map.getCenter(), zoom, { animate: false });
layer.times.length = 0;
const began = performance.now();
let frames = 0, longest = 0, last = began;
const step = (now) => {
  frames += 1; longest = Math.max(longest, now - last); last = now;
  if (now - began > 1000 * seconds) {
    const times = [...layer.times].sort((a, b) => a - b);
    done({ fps: 1000 * frames / (now - began), longest, draw: times[times.length >> 1] });
    return;
  }
  const turn = (now - began) / 400;
  map.panBy([9 * Math.cos(turn), 9 * Math.sin(turn)], { animate: false });
  requestAnimationFrame(step);
};
setTimeout(() => requestAnimationFrame(step), 1500);
"""


def main(
    *, side: int = 30_000, boxes: int = 100_000, seconds: float = 5, out: Path | None = None
) -> None:
    """Print a row for each zoom."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = (out or Path(temporary)) / "page"
        pictures = folder / "pictures"
        pictures.mkdir(parents=True, exist_ok=True)
        record = draw_large(folder, pictures / NAME, side)
        jobs = Path(temporary) / "jobs"
        job = lay_job(jobs, record, side, boxes)
        server = subprocess.Popen(
            [
                sys.executable, "-m", "smalldet.cli", "serve", "--port", "0",
                "--jobs-dir", str(jobs), "--data-dir", str(pictures),
            ],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "SMALLDET_BACKEND": "torch"},
        )  # fmt: skip
        try:
            port = port_of(server)
            before = rss_mb(server.pid)
            with Browser(Path(temporary) / "profile") as browser:
                browser.open(f"http://127.0.0.1:{port}/")
                look(browser, job, seconds, folder)
            size_mb = 3 * side**2 / 1e6
            print(
                f"\nserver: {before:.0f} MB before the scene, {rss_mb(server.pid):.0f} MB after; "
                f"the scene has {size_mb:.0f} MB of pixels"
            )
        finally:
            server.terminate()
            server.wait(timeout=60)


def look(browser: Browser, job: Job, seconds: float, out: Path) -> None:
    """Pan at several zooms, and take pictures."""
    browser.until("return document.querySelectorAll('.jobs li').length")
    began_s = time.monotonic()
    browser.run("document.querySelector('.jobs li button').click()")
    browser.until("return smalldet.page.found")
    print(f"{job.width} x {job.height} px, boxes there after {time.monotonic() - began_s:.1f} s")
    browser.until(
        "const tiles = [...document.querySelectorAll('.leaflet-tile')];"
        "return tiles.length > 0 && tiles.every((one) => one.complete)"
    )
    print(f"the whole scene there after {time.monotonic() - began_s:.1f} s\n")
    browser.screenshot(out / "whole.png")
    print("| zoom | boxes in view | frames a second | longest frame ms | drawing boxes ms |")
    print("|---:|---:|---:|---:|---:|")
    top = browser.run("return smalldet.page.scene.max_level")
    whole = browser.run("return smalldet.viewer.map.getZoom()")
    for zoom in (whole, (whole + top) / 2, top):
        told = browser.run_async(PAN, zoom, seconds)
        seen = browser.run(
            "return smalldet.page.found.counts(smalldet.viewer.window()).reduce((a, b) => a + b)"
        )
        print(
            f"| {zoom:.2f} | {seen:,} | {told['fps']:.0f} | {told['longest']:.0f} "
            f"| {told['draw']:.1f} |",
            flush=True,
        )
        time.sleep(2)
        browser.screenshot(out / f"zoom-{zoom:.1f}.png")
    complaints = browser.complaints()
    if complaints:
        raise SystemExit(f"the page complains: {complaints}")


def draw_large(folder: Path, path: Path, side: int) -> ImageRecord:
    """The drawn scene over and over, in blocks of 256 px, JPEG; drawn once."""
    width, height = PATCH
    record = draw_scene(folder / "drawn.tif", width=width, height=height, seed=0).records[0]
    if path.exists():
        return record
    with rasterio.open(record.path) as file:
        patch = file.read()[:3]
    across = -(-side // width)
    options: dict[str, Any] = {
        "tiled": True,
        "compress": "JPEG",
        "photometric": "YCBCR",
        "BIGTIFF": "YES",
    }
    place = {"crs": "EPSG:32633", "transform": from_origin(391_000, 5_824_000, 0.25, 0.25)}
    shape: dict[str, Any] = {"width": side, "height": side, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **options, **place, **shape) as file:
        for top in range(0, side, height):
            rows = min(height, side - top)
            band = np.tile(patch, (1, 1, across))[:, :rows, :side]
            file.write(band, window=Window(0, top, side, rows))  # pyright: ignore[reportCallIssue]
    return record


def lay_job(folder: Path, record: ImageRecord, side: int, num: int) -> Job:
    """A finished job whose detections are the objects of the scene."""
    width, height = PATCH
    corners = [(x, y) for y in range(0, side, height) for x in range(0, side, width)]
    shifts = np.array(corners, np.float32)
    boxes = (record.boxes[None] + np.tile(shifts, 2)[:, None]).reshape(-1, 4)
    labels = np.tile(record.labels, len(corners))
    rng = np.random.default_rng(0)
    times = -(-num // len(boxes))
    moved = rng.uniform(-40, 40, (times, len(boxes), 2)).astype(np.float32)
    moved[0] = 0
    boxes = (boxes[None] + np.tile(moved, 2)).reshape(-1, 4).clip(0, side)[:num]
    labels = np.tile(labels, times)[:num]
    found = Detections(
        torch.from_numpy(boxes),
        torch.from_numpy(rng.uniform(0.45, 1, num).astype(np.float32)),
        torch.from_numpy(labels.astype(np.int64)),
        ("airplane", "car", "bus"),
    ).sorted_by_score()
    store = JobStore(folder, 10)
    job = Job(
        name=NAME, sent=False, ask=Ask(name=NAME), state="done", width=side, height=side,
        counts=found.counts(), class_names=found.class_names,
    )  # fmt: skip
    store.add(job, None)
    store.write_found(job, found)
    return job


if __name__ == "__main__":
    run(main)
