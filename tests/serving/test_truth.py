"""Truth over what was found: hits, false alarms and misses for every score of the slider."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from smalldet.detections import Detections
from smalldet.serving.truth import FALSE_ALARM, HIT, NEVER, NOT_JUDGED, Truth
from tests.serving.conftest import listening, options_for


def labels(
    folder: Path,
    name: str,
    boxes: list[list[float]],
    classes: list[int],
    size: tuple[int, int] = (300, 200),
) -> Path:
    content = {
        "images": [{"id": 1, "file_name": name, "width": size[0], "height": size[1]}],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "tree"}],
        "annotations": [
            {
                "id": i, "image_id": 1, "category_id": label, "iscrowd": 0,
                "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1),
            }
            for i, ((x1, y1, x2, y2), label) in enumerate(zip(boxes, classes, strict=True), 1)
        ],
    }  # fmt: skip
    path = folder / "truth.json"
    path.write_text(json.dumps(content))
    return path


def test_objects_are_found_from_the_score_of_their_detection(data_dir: Path, save_squares) -> None:
    path, _, _ = save_squares()
    boxes = [[10, 10, 20, 20], [50, 50, 60, 60], [90, 90, 99, 99], [120, 10, 130, 20]]
    truth = Truth(labels(data_dir, "a.png", boxes, [1, 1, 1, 2]))
    found = Detections(
        torch.tensor([
            [10.0, 10, 20, 21], [51, 50, 61, 60], [200, 20, 210, 30], [120, 10, 130, 20],
            [10, 11, 20, 21], [150, 150, 160, 160],
        ]),
        torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]),
        torch.tensor([0, 0, 0, 0, 0, 1]),
        ("Car", "boat"),
    )  # fmt: skip
    judged = truth.judge(path, found)
    assert judged is not None
    # the one on a tree, which the model does not know, and the boat, which the truth does not
    wanted = [HIT, HIT, FALSE_ALARM, NOT_JUDGED, FALSE_ALARM, NOT_JUDGED]
    assert judged.verdict.tolist() == wanted
    shown = ~judged.record.ignore
    assert np.allclose(judged.found_at[shown], [0.9, 0.8, NEVER])
    assert judged.record.boxes[shown].tolist() == boxes[:3]
    assert truth.judge(data_dir / "other.png", found) is None


def test_the_page_is_told_both(tmp_path: Path, data_dir: Path, save_squares) -> None:
    _, drawn, _ = save_squares()
    cars = drawn[drawn.labels == 0]
    path = labels(data_dir, "a.png", cars.boxes[1:].tolist(), [1] * (len(cars) - 1))
    with listening(options_for(tmp_path, data_dir=data_dir, truth=path)) as client:
        assert client.get("/scene", name="a.png").json["truth"] is True
        job = client.post("/jobs", name="a.png", overlap_frac=0.4).json["id"]
        assert client.finished(job)["state"] == "done"
        answer = client.get(f"/jobs/{job}/boxes")
        names = answer.headers["x-columns"].split(",")
        columns = np.frombuffer(answer.body, np.float32).reshape(len(names), -1)
        verdict = columns[names.index("verdict")].tolist()
        assert verdict.count(HIT) == len(cars) - 1 and verdict.count(FALSE_ALARM) == 1
        answer = client.get(f"/jobs/{job}/truth")
        names = answer.headers["x-columns"].split(",")
        columns = np.frombuffer(answer.body, np.float32).reshape(len(names), -1)
        assert columns.shape[1] == len(cars) - 1
        assert (columns[names.index("found_at")] > 0).all()
        results = client.get(f"/jobs/{job}/result", format="coco-results")
        assert results.status == 200 and len(json.loads(results.body)) == len(cars)
