"""The page in a real browser: what a person does there works, under its strict policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from tests.serving.browser import CHROMIUM, DRIVER, Browser
from tests.serving.conftest import listening, options_for
from tests.serving.test_truth import labels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(None in (CHROMIUM, DRIVER), reason="no Chromium and driver here"),
]

TOKEN = "0123456789abcdef-token"
ASKED = "return performance.getEntriesByType('resource').map((one) => one.name)"
MIDDLE = """
const box = document.querySelector('.map').getBoundingClientRect(), { map } = smalldet.viewer;
const at = map.latLngToContainerPoint([arguments[1], arguments[0]]);
return [box.left + at.x, box.top + at.y];
"""
ON_CANVAS = """
const { raster } = smalldet.layer, colours = new Set(raster.pixels);
colours.delete(0);
return [...colours].map((one) => one.toString(16)).sort();
"""


def draw_scene(data_dir: Path, draw_squares: Callable[..., Any]) -> Any:
    """A scene of squares on a map, and its truth: all but the strongest, and one more."""
    pixels, truth = draw_squares(1500, 1100, 60, max_side=20)
    shape = {"width": 1500, "height": 1100, "count": 3, "dtype": "uint8"}
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_400_000, 0.5, 0.5)}
    with rasterio.open(
        data_dir / "map.tif", "w", driver="GTiff", tiled=True, **shape, **place
    ) as f:
        f.write(np.moveaxis(pixels, 2, 0))
    cars = truth[truth.labels == 0]
    known = [*cars.boxes[1:].tolist(), [700.0, 700, 720, 720]]
    return truth, cars, labels(data_dir, "map.tif", known, [1] * len(known), (1500, 1100))


def test_the_page_shows_counts_and_judges(tmp_path: Path, data_dir: Path, draw_squares) -> None:
    truth, cars, path = draw_scene(data_dir, draw_squares)
    options = options_for(tmp_path, data_dir=data_dir, truth=path)
    with listening(options) as client, Browser(tmp_path / "profile") as browser:
        browser.open(f"http://127.0.0.1:{client.port}/")
        browser.until("return document.querySelectorAll('.scenes li').length === 1")
        browser.press(".scenes button")
        browser.until(
            "return smalldet.page.scene && document.querySelector('.leaflet-tile-loaded')"
        )
        browser.press(".find-all")
        browser.until("return smalldet.page.found")
        cells = "return [...document.querySelectorAll('.classes td')].map((c) => c.innerText)"
        counts = {name: str(truth.counts()[name]) for name in ("Car", "other-vehicle")}
        shown = browser.until(f"{cells.removesuffix(')')}.trim())")
        wanted = [cell for name, num in counts.items() for cell in (name, num, num)]
        assert shown == wanted
        told = browser.run("return document.querySelector('.errors').textContent")
        unknown = len(truth) - len(cars)
        assert told.startswith(f"{len(cars) - 1} found, 1 false alarms, 1 missed"), (told, unknown)
        assert len(browser.until(ON_CANVAS)) == 2  # a colour of each class
        browser.run(
            "const s = document.querySelector('.score input'); s.value = 0.9;"
            "s.dispatchEvent(new Event('input'))"
        )
        strong = truth[truth.scores >= 0.9]
        all_cars = browser.run(f"{cells}")[2]
        assert int(all_cars) == strong.counts().get("Car", 0) < len(cars)
        x1, y1, x2, y2 = strong.boxes[0].tolist()
        browser.run(f"smalldet.viewer.map.setView([{(y1 + y2) / 2}, {(x1 + x2) / 2}], 3)")
        browser.until("return document.querySelector('.leaflet-tile-loaded')")
        browser.click_at(*browser.run(MIDDLE, (x1 + x2) / 2, (y1 + y2) / 2))
        browser.until("return !document.querySelector('.crop').hidden")
        text = browser.run("return document.querySelector('figcaption').textContent")
        assert f"{float(strong.scores[0]):.2f}" in text and " m at " in text
        browser.press("[name=errors]")
        browser.press(".whole")
        browser.until("return smalldet.viewer.map.getZoom() < 2")
        browser.until("return smalldet.layer.raster.pixels.includes(0xff4417ff)")  # a miss is red
        assert browser.complaints() == []
        assert all(f":{client.port}/" in url for url in browser.run(ASKED))


def test_an_area_is_drawn_and_looked_at_alone(tmp_path: Path, data_dir: Path, draw_squares) -> None:
    truth, _, _ = draw_scene(data_dir, draw_squares)
    with (
        listening(options_for(tmp_path, data_dir=data_dir)) as client,
        Browser(tmp_path / "profile") as browser,
    ):
        browser.open(f"http://127.0.0.1:{client.port}/")
        browser.until("return document.querySelectorAll('.scenes li').length")
        browser.press(".scenes button")
        browser.until("return document.querySelector('.leaflet-tile-loaded')")
        browser.press(".draw-area")
        for x, y in ((10, 10), (750, 10), (750, 1000)):
            browser.click_at(*browser.run(MIDDLE, x, y))
        browser.click_at(*browser.run(MIDDLE, 10, 1000), times=2)
        browser.until("return document.querySelector('.find-all').textContent.includes('area')")
        browser.press(".find-all")
        browser.until("return smalldet.page.found")
        x, y = ((truth.boxes[:, :2] + truth.boxes[:, 2:]) / 2).T
        found = browser.run("return smalldet.page.found.boxes.rows")
        inside = int(((x > 14) & (x < 746) & (y > 14) & (y < 996)).sum())
        around = int(((x > 6) & (x < 754) & (y > 6) & (y < 1004)).sum())
        assert 0 < inside <= found <= around < 60
        assert browser.complaints() == []


def test_a_picture_is_sent_with_a_token_and_results_are_saved(tmp_path: Path, save_squares) -> None:
    path, truth, _ = save_squares("mine.png", 300, 200, 20)
    with (
        listening(options_for(tmp_path), token=TOKEN) as client,
        Browser(tmp_path / "profile") as browser,
    ):
        browser.open(f"http://127.0.0.1:{client.port}/")
        browser.until("return document.querySelector('.login').open")
        for token, opened in (("wrong", True), (TOKEN, False)):
            browser.run("document.querySelector('[name=token]').value = arguments[0]", token)
            browser.press(".login button")
            browser.until("return document.querySelector('.login').open === arguments[0]", opened)
            if opened:
                browser.until("return document.querySelector('.login .wrong').textContent")
        browser.until("return smalldet.page.model")
        browser.send_file(".drop input", path)
        browser.until("return smalldet.page.found")
        assert browser.run("return smalldet.page.found.boxes.rows") == len(truth)
        script = """
        const done = arguments[arguments.length - 1], made = URL.createObjectURL;
        URL.createObjectURL = (blob) => { blob.text().then(done); return made.call(URL, blob); };
        document.querySelector('[name=format]').value = 'coco';
        document.querySelector('.download').requestSubmit();
        """
        saved = json.loads(browser.run_async(script))
        assert len(saved["annotations"]) == len(truth)
        assert saved["images"][0]["file_name"] == "mine.png"
        refused = [line for line in browser.complaints() if "401" not in line]
        assert refused == []


@pytest.mark.parametrize("width", [1280, 480])
def test_nothing_is_wider_than_the_window(
    tmp_path: Path, data_dir: Path, draw_squares, width: int
) -> None:
    draw_scene(data_dir, draw_squares)
    with (
        listening(options_for(tmp_path, data_dir=data_dir)) as client,
        Browser(tmp_path / "profile", width=width) as browser,
    ):
        browser.open(f"http://127.0.0.1:{client.port}/")
        browser.until("return document.querySelectorAll('.scenes li').length")
        browser.press(".scenes button")
        browser.until("return document.querySelector('.leaflet-tile-loaded')")
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
        assert browser.run("return document.querySelector('.map').clientHeight") > 200
