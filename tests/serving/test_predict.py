"""Pictures over HTTP give what the library gives, in every format, within limits."""

from __future__ import annotations

import csv
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from smalldet.serving.delivering import FORMATS
from tests.serving.conftest import Client, listening, options_for


def boxes(answer) -> list[list[float]]:
    assert answer.status == 200, answer.body
    return [one["box"] for one in answer.json["detections"]]


def test_a_picture_gives_its_boxes_sent_or_named(client: Client, save_squares) -> None:
    path, truth, _ = save_squares("in/a.png")
    sent = client.post("/predict", path, overlap_frac=0.4)
    named = client.post("/predict", name="in/a.png", overlap_frac=0.4)
    assert boxes(sent) == boxes(named) == truth.boxes.tolist()
    assert (sent.json["name"], named.json["name"]) == ("a.png", "in/a.png")
    assert sent.json["counts"] == truth.counts()
    strong = client.post("/predict", path, overlap_frac=0.4, conf=0.8)
    assert len(boxes(strong)) == int((truth.scores >= 0.8).sum()) > 0
    cars = client.post("/predict", path, overlap_frac=0.4, classes=["car"])
    assert len(boxes(cars)) == truth.counts()["Car"]


@pytest.mark.parametrize("wanted", FORMATS)
def test_every_format_is_given_or_refused_in_words(
    client: Client, data_dir: Path, draw_squares, wanted: str
) -> None:
    pixels, truth = draw_squares(200, 150, 12)
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_400_000, 0.5, 0.5)}
    shape = {"width": 200, "height": 150, "count": 3, "dtype": "uint8"}
    with rasterio.open(data_dir / "map.tif", "w", driver="GTiff", **shape, **place) as file:
        file.write(np.moveaxis(pixels, 2, 0))
    answer = client.post("/predict", name="map.tif", format=wanted, overlap_frac=0.4)
    if wanted == "coco-results":
        assert answer.status == 422 and "--truth" in answer.json["detail"]
        return
    assert answer.status == 200 and len(answer.body) > 20
    assert str(data_dir).encode() not in answer.body
    if wanted == "csv":
        rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
        assert len(rows) == len(truth) and {row["source"] for row in rows} == {"map.tif"}
    if wanted == "label-studio":
        assert b"?d=pictures/map.tif" in answer.body
    if wanted in ("shp", "yolo", "fiftyone"):
        names = zipfile.ZipFile(io.BytesIO(answer.body)).namelist()
        assert len(names) >= 1 and not any(name.endswith("map.tif") for name in names)


def test_a_map_of_a_picture_without_a_place_is_refused(client: Client, save_squares) -> None:
    path, _, _ = save_squares()
    answer = client.post("/predict", path, format="gpkg")
    assert answer.status == 422 and "a.png: has no georeference" in answer.json["detail"]
    assert client.post("/predict", path, format="nope").status == 422


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"conf": 2}, "less than or equal to 1"),
        ({"conf": "nan"}, "finite"),
        ({"area": "/etc/passwd"}, "Extra inputs"),
        ({"tile_px": 100_000}, "2048"),
        ({"overlap_frac": 0.99}, "0.5"),
        ({"scales": [9.0]}, "scales"),
        ({"stretch": "x"}, "stretch"),
        ({"classes": ["boat"]}, "does not know ['boat']"),
        ({"min_size_m": 5, "max_size_m": 2}, "min_size_m"),
    ],
)
def test_wrong_options_are_said(client: Client, save_squares, query, words: str) -> None:
    path, _, _ = save_squares()
    for where in ("/predict", "/jobs"):
        answer = client.post(where, path, **query)
        assert answer.status == 422 and words in answer.body.decode(), answer.body


def test_one_picture_by_one_way(client: Client, save_squares) -> None:
    path, _, _ = save_squares()
    assert "give one picture" in client.post("/predict").json["detail"]
    assert "give one picture" in client.post("/predict", path, name="a.png").json["detail"]
    assert client.post("/predict", url="http://example.org/a.png").status == 403


def test_a_picture_over_the_limit_is_a_job(client: Client, save_squares) -> None:
    save_squares("large.png", 1100, 1000, 30)
    answer = client.post("/predict", name="large.png")
    assert answer.status == 413 and "POST /jobs" in answer.json["detail"]
    job = client.post("/jobs", name="large.png").json
    assert client.finished(job["id"])["state"] == "done"


def test_many_clients_share_batches_and_get_their_own(tmp_path: Path, save_squares) -> None:
    drawn = [save_squares(f"{i}.png", 128, 96, i) for i in range(12)]
    with listening(options_for(tmp_path)) as client, ThreadPoolExecutor(12) as pool:
        for _ in range(3):
            answers = pool.map(lambda one: boxes(client.post("/predict", one[0])), drawn)
            assert list(answers) == [truth.boxes.tolist() for _, truth, _ in drawn]
        metrics = client.get("/metrics").body.decode()
    told = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line[0] != "#")
    assert float(told["smalldet_tiles_total"]) == 36
    assert float(told["smalldet_batch_tiles_count"]) < 36  # some were computed together
    route = 'smalldet_requests_total{method="POST",route="/predict",status="200"}'
    assert float(told[route]) == 36


def test_no_more_wait_than_are_allowed(tmp_path: Path, save_squares) -> None:
    path, _, _ = save_squares()
    with listening(options_for(tmp_path, max_requests=1)) as client:
        with client.service.turn():
            answer = client.post("/predict", path)
            assert answer.status == 503 and answer.headers["retry-after"] == "1"
        assert client.post("/predict", path).status == 200


def test_the_interface_is_described(client: Client) -> None:
    told = client.get("/openapi.json").json
    assert {"/predict", "/jobs", "/health", "/metrics"} <= told["paths"].keys()
    assert client.get("/docs").status == 404  # its scripts would come from elsewhere
    assert client.get("/health").json == {"status": "ok"}
    assert client.get("/model").json["class_names"] == ["Car", "other-vehicle"]
