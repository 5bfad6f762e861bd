"""A page in a real browser: charts are drawn, filters and keys work, nothing is asked of a network.

Chromium opens the page with a script of steps behind it, which posts what became of them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smalldet.evaluation.comparison import compare
from smalldet.evaluation.kept import About
from smalldet.evaluation.page.evaluation_page import evaluation_page
from smalldet.evaluation.scoring import report_of
from tests.evaluation.by_hand import found, index, picture

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

BEFORE = """<script>
window.wrong = [];
addEventListener("error", (event) => wrong.push(event.message));
for (const name of ["error", "warn"]) console[name] = (...words) => wrong.push(words.join(" "));
</script>"""
STEPS = """<script>
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const press = (key) => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
addEventListener("unhandledrejection", (event) => fetch("/said", { method: "POST",
  body: JSON.stringify({ wrong: [String(event.reason)], asked: [] }) }));
addEventListener("load", async () => {
  const said = {};
  const boxes = [...document.querySelectorAll(".chart")];
  const isDrawn = (box) => box.querySelector("svg.marks path, svg.marks text");
  for (const box of boxes) {
    box.scrollIntoView();
    for (let i = 0; i < 100 && !isDrawn(box); i += 1) await wait(50);
  }
  said.charts = boxes.length;
  said.drawn = boxes.filter(isDrawn).length;
  const cards = () => document.querySelectorAll(".error-card").length;
  document.querySelector(".gallery").scrollIntoView();
  for (let i = 0; i < 100 && !cards(); i += 1) await wait(50);
  said.all = cards();
  const choose = (name, value) => {
    const select = document.querySelector(`select[name=${name}]`);
    select.value = value; select.dispatchEvent(new Event("change"));
  };
  choose("kind", "5"); said.missed = cards();
  choose("label", "1"); said.missedPersons = cards();
  said.told = document.querySelector(".told").textContent;
  choose("kind", ""); choose("label", "");
  document.querySelector(".error-card").focus();
  press("ArrowRight"); said.second = document.activeElement.dataset.row;
  document.activeElement.click();
  said.opened = document.querySelector("dialog").open;
  press("ArrowRight"); said.stage = document.querySelector(".stage").textContent;
  press("b"); said.bare = document.querySelector("dialog").classList.contains("bare");
  document.querySelector("dialog .close").click();
  for (let i = 0; i < 100 && document.activeElement.dataset.row !== "2"; i += 1) await wait(50);
  said.backAt = document.activeElement.dataset.row;
  said.wrong = window.wrong;
  said.asked = performance.getEntriesByType("resource").map((one) => one.name)
    .filter((name) => !name.startsWith("data:"));
  said.width = [document.documentElement.scrollWidth, innerWidth];
  await fetch("/said", { method: "POST", body: JSON.stringify(said) });
});
</script>"""


def page_of(folder: Path) -> str:
    """Three missed objects, of them one person, and five false alarms."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (200, 300, 3), dtype=np.uint8)).save(folder / "a.png")
    objects = [(0, 10, 10, 6, 6), (0, 60, 10, 20, 20), (1, 10, 90, 12, 12), (1, 90, 90, 9, 9)]
    record = replace(picture(*objects), path=folder / "a.png", width=300, height=200)
    alarms = [(0.5 + 0.05 * i, i % 2, 150 + 30 * i, 150, 10, 10) for i in range(5)]
    detections = [found((0.9, 1, 90, 90, 9, 9), *alarms)]
    comparison = compare(index(record), detections, conf=0.3, max_detections=100)
    report = report_of(comparison, detections)
    return evaluation_page(comparison, report, About("model", "data"))


def visit(html: str, profile: Path, width: int) -> dict[str, Any]:
    """What the steps say of a page that a browser opened."""
    assert CHROMIUM is not None
    said: Queue[bytes] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(html.encode() if self.path == "/" else b"")

        def do_POST(self) -> None:
            said.put(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(b"")

        def _answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = subprocess.Popen(
            [
                CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
                "--remote-debugging-port=0", f"--window-size={width},900",
                f"--user-data-dir={profile}",
                f"http://127.0.0.1:{server.server_port}/",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            return json.loads(said.get(timeout=120))
        finally:
            browser.terminate()
            browser.wait(timeout=30)
            server.shutdown()


@pytest.mark.parametrize("width", [1280, 520])
def test_a_page_works_in_a_browser(tmp_path: Path, width: int) -> None:
    html = page_of(tmp_path)
    html = html.replace("<head>", f"<head>{BEFORE}").replace("</body>", f"{STEPS}</body>")
    said = visit(html, tmp_path / "profile", width)
    assert said["wrong"] == [] and said["asked"] == []
    assert said["charts"] == said["drawn"] > 5
    assert (said["all"], said["missed"], said["missedPersons"]) == (8, 3, 1)
    assert said["told"].startswith("1 of 1 errors")
    assert said["second"] == "1" and said["opened"] and said["bare"]
    assert "3 of 8" in said["stage"] and said["backAt"] == "2"
    assert said["width"][0] <= said["width"][1]
