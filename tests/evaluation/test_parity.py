"""The same numbers as pycocotools, on random pictures with ignore regions and crowded places."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hotcoco
import numpy as np
import pytest
import torch

from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.read_labels import read_labels
from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.evaluation.classes import match_classes
from smalldet.evaluation.comparison import compare
from smalldet.evaluation.evaluate import predict_labelled
from smalldet.evaluation.intervals import bootstrap_ap
from smalldet.evaluation.mask_codes import codes_of, codes_of_record
from smalldet.evaluation.result_files import read_results
from smalldet.evaluation.rows import coco_pair
from smalldet.evaluation.scoring import report_of, score
from smalldet.evaluation.sizes import SIZE_RANGES_PX, closed_area_range
from smalldet.geometry.oriented import enclosing_boxes
from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor
from smalldet.tile_models import open_tile_model

pytestmark = pytest.mark.parity

NAMES = ("car", "person", "ship")


def _random(seed: int) -> tuple[Index, list[Detections]]:
    """Eight pictures, objects of 2 to 150 px; detections of them shifted, doubled and invented.

    Coordinates are quarters of a pixel, so that float32 holds them exactly.
    """
    rng = np.random.default_rng(seed)
    records, detections = [], []
    for i in range(8):
        num = int(rng.integers(0, 40))
        corner = rng.uniform(0, 500, (num, 2))
        boxes = np.concatenate([corner, corner + np.exp(rng.uniform(0.7, 5, (num, 2)))], axis=1)
        boxes = (boxes * 4).round() / 4
        labels = rng.integers(0, 2, num)
        flags = rng.random((2, num)) < 0.1
        records.append(
            ImageRecord(
                Path(f"{i}.png"), 800, 800, boxes.astype(np.float32), labels, flags[0], flags[1], i
            )
        )
        guess = np.concatenate([np.repeat(boxes, 2, axis=0), rng.permutation(boxes) + 40])
        sides = np.tile(guess[:, 2:] - guess[:, :2], (1, 2))
        guess = ((guess + rng.normal(0, 0.1, guess.shape) * sides) * 4).round() / 4
        guess[:, 2:] = np.maximum(guess[:, 2:], guess[:, :2] + 1)
        guessed = np.where(
            rng.random(len(guess)) < 0.9, np.concatenate([np.repeat(labels, 2), labels]), 2
        )
        detections.append(
            Detections(
                torch.from_numpy(guess).float(),
                torch.from_numpy(rng.permutation(len(guess)) / 256 + 1 / 1024).float(),
                torch.from_numpy(guessed),
                NAMES,
            )
        )
    return Index(NAMES, tuple(records)), detections


def _pycocotools(
    truth: Index,
    detections: list[Detections],
    area_range: tuple[float, float],
    most: int,
    *,
    by_masks: bool = False,
) -> tuple[Any, Any]:
    """(precision, recall) of the reference for one area range and cap."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    gt = coco.COCO()
    gt.dataset = {
        "info": {},
        "images": [{"id": i, "width": 800, "height": 800} for i in range(len(truth))],
        "categories": [{"id": k, "name": name} for k, name in enumerate(truth.class_names)],
        "annotations": [],
    }
    results: list[Any] = []
    for i, (record, dets) in enumerate(zip(truth.records, detections, strict=True)):
        for box, label, crowd in zip(
            record.boxes.astype(float), record.labels.tolist(), record.ignore, strict=True
        ):
            x1, y1, x2, y2 = box.tolist()
            gt.dataset["annotations"].append(
                {
                    "id": len(gt.dataset["annotations"]) + 1,
                    "image_id": i,
                    "category_id": label,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": round(x2 - x1, 2) * round(y2 - y1, 2),
                    "iscrowd": int(crowd),
                }
            )
        for (x1, y1, x2, y2), label, value in zip(
            dets.boxes.tolist(), dets.labels.tolist(), dets.scores.tolist(), strict=True
        ):
            box = [x1, y1, x2 - x1, y2 - y1]
            results.append({"image_id": i, "category_id": label, "bbox": box, "score": value})
    if by_masks:
        _add_codes(gt.dataset["annotations"], results, truth, detections)
    gt.createIndex()
    dt = gt.loadRes(results)
    for ann in dt.dataset["annotations"]:  # what our sizes go by
        ann["area"] = round(ann["bbox"][2], 2) * round(ann["bbox"][3], 2)
    evaluation = cocoeval.COCOeval(gt, dt, "segm" if by_masks else "bbox")
    evaluation.params.areaRng = [list(area_range)]
    evaluation.params.areaRngLbl = ["all"]
    evaluation.params.maxDets = [most]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval["precision"], evaluation.eval["recall"]


def _add_codes(
    annotations: list[Any], results: list[Any], truth: Index, detections: list[Detections]
) -> None:
    for record, dets in zip(truth.records, detections, strict=True):
        shapes = (codes_of_record(record), codes_of(dets.masks, dets.boxes, record))
        for codes, entries in zip(shapes, (annotations, results), strict=True):
            entries = [entry for entry in entries if "segmentation" not in entry]
            for code, entry in zip(codes, entries[: len(codes)], strict=True):
                entry["segmentation"] = {"size": [record.height, record.width], "counts": code}


def _with_masks(truth: Index, detections: list[Detections]) -> tuple[Index, list[Detections]]:
    """Blobs in all boxes; those of detections are softer."""
    rng = np.random.default_rng(len(truth.records[0].boxes))

    def blobs(num: int, cells: int) -> Any:
        return (rng.random((num, cells, cells)) < 0.8).repeat(56 // cells, 1).repeat(56 // cells, 2)

    records = tuple(
        replace(one, masks=np.packbits(blobs(len(one.boxes), 7).reshape(-1, 56 * 56), axis=1))
        for one in truth.records
    )
    found = [
        replace(one, masks=torch.from_numpy(blobs(len(one), 14).astype(np.uint8) * 200))
        for one in detections
    ]
    return replace(truth, records=records), found


def _mean(values: Any) -> Any:
    measured = values[values > -1]
    return pytest.approx(measured.mean(), abs=1e-12) if measured.size else None


@pytest.mark.parametrize("seed", range(5))
def test_equals_pycocotools(seed: int) -> None:
    truth, detections = _random(seed)
    report = score(truth, detections)
    metrics = report.metrics
    precision, recall = _pycocotools(truth, detections, (0, 1e10), 1500)
    assert metrics["AP"] == _mean(precision)
    assert metrics["AP50"] == _mean(precision[0])
    assert metrics["AP75"] == _mean(precision[5])
    assert metrics["AR"] == _mean(recall)
    for k, name in enumerate(NAMES):
        assert report.per_class[name]["AP"] == _mean(precision[:, :, k])
    for size, sides in SIZE_RANGES_PX.items():
        precision, recall = _pycocotools(truth, detections, closed_area_range(*sides), 1500)
        assert metrics[f"AP_{size}"] == _mean(precision)
        assert metrics[f"AR_{size}"] == _mean(recall)
    ranges = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
    for size, areas in ranges.items():
        precision, recall = _pycocotools(truth, detections, areas, 100)
        assert metrics[f"COCO_AP_{size}"] == _mean(precision)
        assert metrics[f"COCO_AR_{size}"] == _mean(recall)
    for most in (1, 10, 100):
        assert metrics[f"COCO_AR_{most}"] == _mean(
            _pycocotools(truth, detections, (0, 1e10), most)[1]
        )


@pytest.mark.parametrize("seed", range(3))
def test_masks_equal_pycocotools(seed: int) -> None:
    truth, detections = _with_masks(*_random(seed))
    report = score(truth, detections)
    for size, sides in {"": (0, 1e5), **SIZE_RANGES_PX}.items():
        areas, ending = closed_area_range(*sides), f"_{size}" if size else ""
        precision, _ = _pycocotools(truth, detections, areas, 1500, by_masks=True)
        assert report.metrics[f"mask_AP{ending}"] == _mean(precision)
        assert report.metrics[f"mask_AP50{ending}"] == _mean(precision[0])
        for k, name in enumerate(NAMES):
            assert report.per_class[name][f"mask_AP{ending}"] == _mean(precision[:, :, k])


def test_masks_of_a_real_set_equal_pycocotools(
    shared_dir: Path, tmp_path: Path, record_parity: Callable[..., None]
) -> None:
    """Ships of Sentinel-2, from the files: outlines moved by up to 2 px, each twice."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    labels, rng = shared_dir / "data" / "sen2ships" / "val.json", np.random.default_rng(0)
    results: list[dict[str, Any]] = []
    for entry in 2 * json.loads(labels.read_text())["annotations"]:
        pixels = hotcoco.mask.decode(entry["segmentation"])
        code = hotcoco.mask.encode(
            np.asfortranarray(np.roll(pixels, rng.integers(-2, 3, 2), (0, 1)))
        )
        code["counts"] = code["counts"].decode()
        ids = {"image_id": entry["image_id"], "category_id": entry["category_id"]}
        results.append({**ids, "segmentation": code, "score": float(rng.random())})
    file = tmp_path / "results.json"
    file.write_text(json.dumps(results))
    truth = read_labels(LabelSource(annotations=labels), with_masks=True)
    metrics = score(truth, read_results(file, truth).detections).metrics
    gt = coco.COCO(str(labels))
    evaluation = cocoeval.COCOeval(gt, gt.loadRes(results), "segm")
    evaluation.params.maxDets = [1, 10, 1500]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, 2]
    pairs = {"mask_AP": precision, "mask_AP50": precision[0], "mask_AP75": precision[5]}
    apart = max(abs((metrics[name] or 0) - values.mean()) for name, values in pairs.items())
    assert 0.1 < precision.mean() < 0.9
    record_parity("sen2ships", "pycocotools", "mask AP", apart)
    assert apart < 1e-9


def test_equals_pycocotools_and_hotcoco_on_real_predictions(
    shared_dir: Path, record_parity: Callable[..., None]
) -> None:
    """AP and AR by our sizes and COCO's, and each draw of the intervals that draws all once."""
    source = LabelSource(annotations=shared_dir / "data" / "hituav" / "val.json")
    truth = read_labels(source, split="val")
    truth = Index(truth.class_names, truth.records[:40])
    model = open_tile_model("speck-n-thermal", backend="torch", device="cpu")
    predictor = Predictor(model, PredictOptions(conf=0.01))
    classes = match_classes(truth, model.class_names)
    detections = [
        classes.relabel(predict_labelled(predictor, record)).sorted_by_score(1500)
        for record in truth.records
    ]
    truth = classes.truth
    comparison = compare(truth, detections, conf=0.25, max_detections=1500)
    metrics = report_of(comparison, detections).metrics
    errors: dict[str, float] = {}

    def hold(name: str, values: Any) -> None:
        measured = values[values > -1]
        value = metrics[name]
        assert (value is None) == (measured.size == 0)
        errors[name] = abs((value or 0) - measured.mean()) if measured.size else 0

    for size, sides in {"": (0, 1e5), **SIZE_RANGES_PX}.items():
        precision, recall = _pycocotools(truth, detections, closed_area_range(*sides), 1500)
        ending = f"_{size}" if size else ""
        hold("AP" + ending, precision)
        hold("AP50" + ending, precision[0])
        hold("AR" + ending, recall)
    for most in (1, 10, 100):
        precision, recall = _pycocotools(truth, detections, (0, 1e10), most)
        hold(f"COCO_AR_{most}", recall)
    record_parity("speck-n-thermal", "pycocotools", "AP and AR", max(errors.values()))
    assert max(errors.values()) < 1e-6, errors
    evaluation = hotcoco.COCOeval(
        *coco_pair(truth, comparison.objects, comparison.detections), "bbox"
    )
    evaluation.run()
    names = ("COCO_AP", "COCO_AP50", "COCO_AP75")
    ours = [metrics[name] for name in names]
    assert ours == pytest.approx(list(evaluation.stats[:3]), abs=1e-9)
    once = bootstrap_ap(comparison, 1).measured
    apart = max(abs(value - (metrics[name] or 0)) for name, value in once.items() if value == value)
    record_parity("speck-n-thermal", "hotcoco", "own matching", apart)
    assert apart < 1e-6


def _hotcoco_oriented(truth: Index, detections: list[Detections]) -> Any:
    """Its precision (IoU, recall, class, area range, cap) of `obb`, over all sizes and ours."""
    categories = [{"id": k, "name": name} for k, name in enumerate(truth.class_names)]
    images = [
        {"id": i, "width": r.width, "height": r.height, "file_name": str(i)}
        for i, r in enumerate(truth.records)
    ]
    annotations, results = [], []
    for i, (record, dets) in enumerate(zip(truth.records, detections, strict=True)):
        assert record.rboxes is not None and dets.rboxes is not None
        columns = (record.rboxes.astype(float), record.labels.tolist(), record.ignore.tolist())
        for rbox, label, crowd in zip(*columns, strict=True):
            area = round(rbox[2], 2) * round(rbox[3], 2)
            common = {"image_id": i, "category_id": label, "obb": rbox.tolist(), "area": area}
            crowded = {"id": len(annotations) + 1, "iscrowd": int(crowd), "bbox": [0, 0, 1, 1]}
            annotations.append(common | crowded)
        for rbox, label, value in zip(
            dets.rboxes.double().tolist(), dets.labels.tolist(), dets.scores.tolist(), strict=True
        ):
            common = {"image_id": i, "category_id": label, "obb": rbox, "score": value}
            results.append(common)
    gt = hotcoco.COCO({"images": images, "categories": categories, "annotations": annotations})
    dt = gt.load_res(results)
    areas = [round(r["obb"][2], 2) * round(r["obb"][3], 2) for r in results]
    dt.update_anns(ids=np.arange(1, len(results) + 1), area=areas)
    evaluation = hotcoco.COCOeval(gt, dt, "obb")
    ranges = [[0, 1e10], *(list(closed_area_range(*sides)) for sides in SIZE_RANGES_PX.values())]
    evaluation.params.area_rng = ranges
    evaluation.params.area_rng_lbl = ["all", *SIZE_RANGES_PX]
    evaluation.params.max_dets = [1500]
    evaluation.evaluate()
    evaluation.accumulate()
    assert evaluation.eval is not None
    return evaluation.eval["precision"][..., 0]


def _oriented_apart(truth: Index, detections: list[Detections]) -> float:
    """The largest difference from hotcoco, over all figures by size and class."""
    report, precision = score(truth, detections), _hotcoco_oriented(truth, detections)
    apart = [0.0]
    for place, ending in enumerate(["", *(f"_{size}" for size in SIZE_RANGES_PX)]):
        for name, values in (("OBB_AP", precision), ("OBB_AP50", precision[:1])):
            of_range = values[..., place]
            wholes = [(report.metrics, of_range)]
            wholes += [
                (report.per_class[c], of_range[..., k]) for k, c in enumerate(truth.class_names)
            ]
            for ours, theirs in wholes:
                measured, value = theirs[theirs > -1], ours[name + ending]
                assert (value is None) == (measured.size == 0)
                if value is not None:
                    apart.append(abs(value - measured.mean()))
    return max(apart)


def _jittered(truth: Index, seed: int) -> list[Detections]:
    """Each object found twice, moved and turned, and invented ones; some of another class."""
    rng = np.random.default_rng(seed)
    detections = []
    for record in truth.records:
        assert record.rboxes is not None
        beside = record.rboxes + np.array([30, 20, 0, 0, 1], dtype=np.float32)
        rboxes = np.concatenate([record.rboxes, record.rboxes, beside])
        sides = rboxes[:, [2, 3, 2, 3]]
        rboxes[:, :4] += rng.normal(0, 0.08, sides.shape) * sides
        rboxes[:, 4] += rng.normal(0, 0.1, len(rboxes))
        rboxes[:, 2:4] = np.maximum(rboxes[:, 2:4], 1)
        turned = torch.from_numpy(rboxes).float()
        labels = np.tile(record.labels, 3)
        labels = np.where(rng.random(len(labels)) < 0.95, labels, 0)
        scores = torch.from_numpy(rng.permutation(len(labels)) / 1024 + 1 / 2048).float()
        found = (enclosing_boxes(turned), scores, torch.from_numpy(labels))
        detections.append(Detections(*found, truth.class_names, turned))
    return detections


def test_oriented_boxes_of_a_real_set_equal_hotcoco(
    shared_dir: Path, record_parity: Callable[..., None]
) -> None:
    truth = read_labels(LabelSource(annotations=shared_dir / "data" / "hituav" / "val.json"))
    detections = _jittered(truth, 0)
    assert 0.2 < (score(truth, detections).metrics["OBB_AP"] or 0) < 0.9
    apart = _oriented_apart(truth, detections)
    record_parity("hituav", "hotcoco", "oriented AP", apart)
    assert apart < 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_random_oriented_boxes_equal_hotcoco(seed: int) -> None:
    """Crowded, long and short ones at every angle, with ignore regions."""
    rng = np.random.default_rng(seed)
    upright, _ = _random(seed)
    records = []
    for record in upright.records:
        angles = rng.uniform(-np.pi / 2, np.pi / 2, len(record.boxes))
        sides = np.exp(rng.uniform(1, 4, (len(record.boxes), 2)))
        sides.sort(axis=1)
        rboxes = np.column_stack([record.boxes[:, :2] / 3, sides[:, ::-1], angles])
        records.append(replace(record, rboxes=rboxes.astype(np.float32)))
    truth = Index(NAMES, tuple(records))
    assert _oriented_apart(truth, _jittered(truth, seed)) < 1e-6
