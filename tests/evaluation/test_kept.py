"""What a folder keeps of an evaluation measures the same when it is read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.classes import match_classes
from smalldet.evaluation.kept import About, fingerprint, keep, read_kept
from smalldet.evaluation.scoring import score
from tests.evaluation.by_hand import found, picture

NAMES = ("tree", "car", "van", "person")


@pytest.fixture
def measured() -> tuple[Index, list[Detections]]:
    """Two pictures with equal ids; the model knows no trees, and vans are its cars."""
    truth = Index(
        NAMES,
        (
            replace(picture((1, 10, 10, 8, 8), (2, 50, 50, 20, 20)), path=Path("a.png")),
            replace(picture((3, 5, 5, 6, 6), (0, 90, 90, 9, 9), ignore=(1,)), path=Path("b.png")),
        ),
    )
    names = ("person", "car")
    detections = [
        found((0.9, 1, 10, 10, 8, 8), (0.8, 1, 50, 51, 20, 20), names=names),
        found((0.7, 0, 5, 6, 6, 6), (0.6, 1, 200, 200, 9, 9), names=names),
    ]
    return truth, detections


def test_reading_again_gives_the_same_figures(
    measured: tuple[Index, list[Detections]], tmp_path: Path
) -> None:
    truth, detections = measured
    mapping = {"van": "car", "car": "car"}
    before = score(truth, detections, conf=0.5, mapping=mapping)
    assert list(before.per_class) == ["car+van", "person"]
    classes = match_classes(truth, detections[0].class_names, mapping)
    keep(tmp_path, truth, classes, detections, About("m", "d", 0.5))
    kept = read_kept(tmp_path)
    after = score(kept.truth, kept.detections, conf=kept.conf, mapping=kept.mapping)
    assert after.metrics == pytest.approx(before.metrics)
    assert list(after.per_class) == list(before.per_class)
    assert kept.truth_sha256 == fingerprint(truth)
    assert fingerprint(truth) != fingerprint(Index(NAMES, truth.records[:1]))


def test_pycocotools_loads_both_files(
    measured: tuple[Index, list[Detections]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ids of pictures and classes meet, although the pictures' own ids are equal."""
    truth, detections = measured
    classes = match_classes(truth, detections[0].class_names)
    keep(tmp_path, truth, classes, detections, About())
    coco = COCO(str(tmp_path / "truth.json"))
    evaluation = COCOeval(coco, coco.loadRes(str(tmp_path / "detections.json")), "bbox")
    evaluation.params.catIds = [2, 4]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    capsys.readouterr()
    ours = score(truth, detections).metrics["COCO_AP"]
    assert evaluation.stats[0] == pytest.approx(ours, abs=1e-9)


def test_a_folder_without_them_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no truth.json; give a folder that"):
        read_kept(tmp_path)


def test_nothing_found_is_kept_too(
    measured: tuple[Index, list[Detections]], tmp_path: Path
) -> None:
    truth, _ = measured
    nothing = [Detections.empty(NAMES)] * 2
    keep(tmp_path, truth, match_classes(truth, NAMES), nothing, About())
    kept = read_kept(tmp_path)
    assert [len(one) for one in kept.detections] == [0, 0]
    assert torch.equal(torch.from_numpy(kept.truth.records[1].ignore), torch.tensor([False, True]))
