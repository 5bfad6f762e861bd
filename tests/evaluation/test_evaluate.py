"""From pictures on disk to numbers, by a detector that finds bright squares."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hotcoco import COCO, COCOeval
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from smalldet.config.load import load_yaml
from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.evaluation.evaluate import evaluate
from smalldet.evaluation.options import EvaluateOptions
from smalldet.models.seen import NOTHING_KNOWN

SIDE_PX = 10


class SquareFinder:
    """A tile model that finds bright squares of 10 px by their mean; what a tile cuts is none."""

    in_channels, stride, least_px, tile_px, conf = 3, 32, 1, 128, 0.25
    fingerprint, runtime, seen = "squares", "plain torch", NOTHING_KNOWN
    finds_masks = False

    def __init__(self, class_names: tuple[str, ...] = ("Square", "circle")) -> None:
        self.class_names = class_names

    def batch_size(self, height: int, width: int) -> int:
        return 8

    def detect(self, images: Tensor, conf: float, max_detections: int) -> list[Detections]:
        means = F.avg_pool2d(images.float().mean(1, keepdim=True) / 255, SIDE_PX, stride=1)
        peaks = (F.max_pool2d(means, 9, stride=1, padding=4) == means) & (means > max(conf, 0.9))
        detections = []
        for mean, peak in zip(means[:, 0], peaks[:, 0], strict=True):
            y, x = peak.nonzero(as_tuple=True)
            boxes = torch.stack([x, y, x + SIDE_PX, y + SIDE_PX], dim=1).float()
            scores = mean[peak].clamp(max=1)
            detections.append(Detections(boxes, scores, torch.zeros_like(x), self.class_names))
        return detections


@pytest.fixture
def truth(tmp_path: Path) -> Index:
    """Three pictures of 300 x 200 with 8 bright squares each; the last's weakest is unlabelled."""
    rng = np.random.default_rng(0)
    records = []
    for i in range(3):
        cells = rng.permutation(15 * 10)[:8]
        corner = np.stack([cells % 15, cells // 15], axis=1) * 20 + rng.integers(2, 8, (8, 2))
        pixels = np.zeros((200, 300, 3), dtype=np.uint8)
        for j, (x, y) in enumerate(corner.tolist()):
            pixels[y : y + SIDE_PX, x : x + SIDE_PX] = 250 - j
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        kept = corner[: 7 if i == 2 else 8].astype(np.float32)
        none = np.zeros(len(kept), dtype=np.bool_)
        boxes = np.concatenate([kept, kept + SIDE_PX], axis=1)
        labels = np.ones(len(kept), dtype=np.int64)
        records.append(
            ImageRecord(tmp_path / f"{i}.png", 300, 200, boxes, labels, none, none, 100 + i)
        )
    return Index(("tree", "square"), tuple(records))


def test_evaluate_writes_what_it_measured(truth: Index, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    out = tmp_path / "runs" / "one"
    report = evaluate(
        SquareFinder(),
        truth,
        out=out,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert report.metrics["recall"] == 1
    assert report.metrics["precision"] == pytest.approx(23 / 24)
    assert report.metrics["AP"] == report.metrics["AP_tiny"] == pytest.approx(1)
    assert report.metrics["false_alarms_per_megapixel"] == pytest.approx(1 / 0.18)
    assert report.left_out == {"model": ("circle",), "data": ("tree",)}
    assert json.loads((out / "metrics.json").read_text())["AP"] == report.metrics["AP"]
    assert [path.name for path in out.glob("worst_*.jpg")] == ["worst_01.jpg"]

    results = json.loads((out / "detections.json").read_text())
    assert {entry["image_id"] for entry in results} == {100, 101, 102}
    assert {entry["category_id"] for entry in results} == {2}  # the data's second class
    assert _ap_of_files(truth, results) == pytest.approx(report.metrics["AP"])


def _ap_of_files(truth: Index, results: list[dict[str, object]]) -> float:
    """AP of detections.json by hotcoco alone, against the data's own ids."""
    boxes = np.concatenate([r.boxes for r in truth.records]).astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    gt = COCO.from_arrays(
        [{"id": r.image_id, "width": r.width, "height": r.height} for r in truth.records],
        [{"id": 1, "name": "tree"}, {"id": 2, "name": "square"}],
        np.repeat([r.image_id for r in truth.records], [len(r.boxes) for r in truth.records]),
        np.full(len(boxes), 2),
        boxes,
    )
    evaluation = COCOeval(gt, gt.load_res(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    assert evaluation.eval is not None
    precision = evaluation.eval["precision"][:, :, :, 0, 2]
    return float(precision[precision > -1].mean())


def test_pictures_are_looked_at_in_the_resolutions_asked_for(truth: Index) -> None:
    """Its squares are twice too large for the finder at scale 2."""
    plain, enlarged = (
        evaluate(SquareFinder(), truth, EvaluateOptions(scales=(scale,))).metrics["AP"]
        for scale in (1, 2)
    )
    assert plain and plain > 0.9
    assert enlarged is not None and enlarged < 0.1


def test_a_map_joins_classes_of_other_names(truth: Index) -> None:
    report = evaluate(SquareFinder(("box",)), truth, EvaluateOptions(map={"box": "square"}))
    assert report.metrics["AP"] == pytest.approx(1)


def test_no_class_in_common_is_told_before_any_prediction(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no class in common"):
        evaluate(SquareFinder(), Index(("tree",), ()))


def test_the_options_are_saved_and_measure_the_same_again(truth: Index, tmp_path: Path) -> None:
    """What the model said where nothing was given is written out too."""
    asked = EvaluateOptions(map={"Square": "square"}, sizes={"ten": (9, 11), "rest": (11, 99)})
    first = evaluate(SquareFinder(), truth, asked, out=tmp_path)
    saved = EvaluateOptions.model_validate(load_yaml(tmp_path / "options.yaml"))
    assert (saved.conf, saved.tile_px) == (0.25, 128)
    assert saved == asked.model_copy(update={"conf": 0.25, "tile_px": 128})
    assert evaluate(SquareFinder(), truth, saved).as_dict() == first.as_dict()
    assert first.metrics["AP_ten"] == pytest.approx(1)
    assert json.loads((tmp_path / "metrics.json").read_text())["counts"]["ten"] == 23
