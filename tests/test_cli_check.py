"""`smalldet check` on the command line: findings, exit status, page, JSON; and what train says."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from smalldet.cli import main

TINY = ("--epochs", "1", "--tile", "64", "--batch", "2", "training.num_workers=0")


def run(capsys: pytest.CaptureFixture[str], code: int, *words: str | Path) -> str:
    """What a command prints, errors' stream included."""
    status = 0
    try:
        main([*map(str, words)])
    except SystemExit as stop:
        status = stop.code or 0
    said = capsys.readouterr()
    assert status == code, said.err
    return said.out + said.err


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.fixture
def faulty(draw_set: Callable[..., Path]) -> Path:
    """Train and val with a picture cut short, one of another size, a copy, and a doubled box."""
    train = draw_set("train", num_pictures=4)
    val = draw_set("val", num_pictures=2, seed=1)
    pictures = train.parent / "images"
    whole = (pictures / "train1.png").read_bytes()
    (pictures / "train1.png").write_bytes(whole[: len(whole) // 2])
    Image.open(pictures / "train2.png").resize((90, 96)).save(pictures / "train2.png")
    shutil.copy(pictures / "train3.png", pictures / "val1.png")

    def double(content: dict[str, Any]) -> None:
        last = content["annotations"][-1]
        content["annotations"].append({**last, "id": last["id"] + 1})

    edit(train, double)
    edit(val, lambda content: content["images"][1].update(file_name="<b>[red]val2.png"))
    (pictures / "val2.png").rename(pictures / "<b>[red]val2.png")
    return train.parent


def test_every_fault_is_told_worst_first_with_status_1(
    faulty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, data = tmp_path / "check.html", tmp_path / "check.json"
    said = run(capsys, 1, "check", faulty, "--report", page, "--json", data)
    lines = [line for line in said.splitlines() if re.match("error|warning|note", line)]
    assert lines[0].startswith("error: 1 picture of 6 cannot be read: is damaged or cut short")
    assert "train1.png" in lines[0] and "replace them" in lines[0]
    assert lines[1].startswith("error: 1 picture of 6 of another size than the labels say")
    assert lines[2].startswith("warning: 1 picture has a copy in another split")
    assert lines[3].startswith("warning: 1 object of 25 labelled twice with the same class")
    assert "Training may not go ahead: 2 errors, 2 warnings" in said
    assert f"Written: {page}" in said
    content = json.loads(data.read_text())
    assert content["may_train"] is False and content["findings"][0]["check"] == "picture-files"
    assert content["findings"][3]["examples"][0]["boxes_xyxy"][0][2] > 0


def test_the_page_is_whole_in_itself_and_names_are_text(
    faulty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "check.html"
    run(capsys, 1, "check", faulty, "--report", page)
    text = page.read_text(encoding="utf-8")
    assert "<b>[red]val2.png" not in text and "&lt;b&gt;[red]val2.png" in text
    assert "<script" not in text and "http" not in text and "prefers-color-scheme: dark" in text
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', text)
    assert len(sources) > 6 and all(one.startswith("data:") for one in sources)


def test_a_sound_set_may_be_trained_on(
    draw_set: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    said = run(capsys, 0, "check", draw_set())
    assert "Training may go ahead: " in said and "error:" not in said and "warning:" not in said


def test_labels_that_cannot_be_read_do_not_hide_the_other_split(
    draw_set: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    train = draw_set("train", num_pictures=2)
    draw_set("val", num_pictures=1, seed=1)

    def invert(content: dict[str, Any]) -> None:
        for entry in content["annotations"][:3]:
            entry["bbox"][2] = -4

    edit(train, invert)
    said = run(capsys, 1, "check", train.parent)
    assert "error: no labels in train can be read: " in said and "3 wrong entries" in said
    assert "COCO, val: 1 picture" in said


def test_inverted_boxes_are_counted_and_broken_pictures_found_behind_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader that stops at the first fault: the rest of the set is counted all the same."""
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (64, 64), "gray").save(tmp_path / "images" / f"{name}.png")
    lines = ["image_path,xmin,ymin,xmax,ymax,label"]
    lines += [f"{name}.png,{x + 9},5,{x},20,car" for name in "ab" for x in (5, 20)]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(lines) + "\n")
    said = run(capsys, 1, "check", table)
    assert "its box runs from" in said and "3 more objects have this fault" in said
    (tmp_path / "images/b.png").write_bytes(b"")
    assert "1 picture of 2 cannot be read" in run(capsys, 1, "check", table)


def test_boxes_that_leave_their_pictures_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (64, 64), "gray").save(tmp_path / "a.png")
    rows = ["a.png,50,5,70,20,car", "a.png,-9,30,5,40,car", "a.png,20,20,30,30,car"]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["image_path,xmin,ymin,xmax,ymax,label", *rows]) + "\n")
    said = run(capsys, 0, "check", table, "--images", tmp_path)
    assert "warning: 2 boxes reached out of their pictures and were clipped" in said


def test_no_labels_and_a_folder_as_report_are_one_line(
    draw_set: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert "has no labels in a known format" in run(capsys, 1, "check", tmp_path / "empty")
    said = run(capsys, 1, "check", draw_set(), "--report", tmp_path)
    assert said.endswith(f"error: {tmp_path}: is a folder; name a file in it\n")


def test_train_warns_of_what_labels_alone_tell(
    draw_set: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = draw_set(num_pictures=2)

    def double(content: dict[str, Any]) -> None:
        last = content["annotations"][-1]
        content["annotations"].append({**last, "id": last["id"] + 1})

    edit(path, double)
    words = ("train", path, "--out", tmp_path / "run", *TINY, "training.start=scratch")
    said = " ".join(run(capsys, 0, *words).split())
    assert said.count("warning: 1 object of 9 labelled twice with the same class") == 1


def test_real_sets(shared_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A CSV that counts from 1; 120 places at two or three dates each, as its notes say."""
    said = run(capsys, 0, "check", shared_dir / "data/geotiff_samples/OSBS_029.csv")
    assert "the labels seem to count pixels from 1" in said and "3.62 m is the median" in said
    said = run(capsys, 0, "check", shared_dir / "data/naip_trees_dates")
    assert "337 pictures make 120 groups of pictures of the same ground" in said
    assert "16,539 boxes have the very same size, 20 x 20 px" in said
