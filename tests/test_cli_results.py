"""Results for other programs through the real command line, of real pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pycocotools.coco import COCO as PycocoTools  # noqa: N811
from pycocotools.cocoeval import COCOeval

from smalldet.cli import main
from smalldet.data.formats.read_labels import read_labels

NUM = 4


@pytest.fixture(scope="module")
def val(shared_dir: Path) -> Path:
    return shared_dir / "data" / "hituav" / "val.json"


def predict(val: Path, out: Path, *words: str) -> list[str]:
    names = [image["file_name"] for image in json.loads(val.read_text())["images"][:NUM]]
    pictures = [str(val.parent / "images" / name) for name in names]
    with pytest.raises(SystemExit) as stop:
        main(["predict", *pictures, "--model", "speck-n-thermal", "--device", "cpu", "--out",
              str(out), *words])  # fmt: skip
    assert stop.value.code == 0
    return names


def test_coco_results_are_scored_by_pycocotools(val: Path, tmp_path: Path) -> None:
    """Ids of pictures and classes are the truth's, so that nothing is left to be matched."""
    out = tmp_path / "results.json"
    predict(val, out, "--format", "coco-results", "--ids", str(val), "--conf", "0.05")
    truth = PycocoTools(str(val))
    scored = COCOeval(truth, truth.loadRes(str(out)), "bbox")
    scored.params.imgIds = sorted({row["image_id"] for row in json.loads(out.read_text())})
    assert len(scored.params.imgIds) == NUM
    scored.evaluate()
    scored.accumulate()
    scored.summarize()
    assert scored.stats[1] > 0.5  # AP50; next to nothing where ids are mixed up


def test_what_is_uploaded_to_cvat_names_the_pictures(
    val: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = predict(val, tmp_path / "cvat", "--format", "cvat")
    assert f"Written: {tmp_path / 'cvat' / 'annotations.xml'}" in capsys.readouterr().out
    for name in names:
        (tmp_path / "cvat" / name).symlink_to(val.parent / "images" / name)
    index = read_labels(tmp_path / "cvat")
    assert [record.path.name for record in index.records] == names
    assert index.counts()["person"] > 0


def test_a_wrong_format_is_told_with_those_that_there_are(
    val: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["predict", str(val.parent / "images"), "--out", str(tmp_path / "a"), "--format", "x"])
    assert stop.value.code == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "there is no format 'x'; there are geojson, gpkg" in said and "label-studio" in said
