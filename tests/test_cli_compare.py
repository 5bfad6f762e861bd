"""`smalldet evaluate --results --report` and `smalldet compare` on the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from smalldet.cli import main

OUTSIDE = re.compile(r"""(?:src|href)\s*=\s*["']?(?!data:)[a-z]+:|@import|url\((?!data:)""")


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


def results_of(labels: Path, shift: float = 0.0, every: int = 1) -> Path:
    """A list of results beside labels: every so many of the objects, moved."""
    content = json.loads(labels.read_text())
    rows = [
        {
            "image_id": one["image_id"],
            "category_id": 1,
            "bbox": [one["bbox"][0] + shift, *one["bbox"][1:]],
            "score": round(0.9 - 0.01 * i, 3),
        }
        for i, one in enumerate(content["annotations"])
        if i % every == 0
    ]
    file = labels.with_name(f"results_{every}.json")
    file.write_text(json.dumps([*rows, {**rows[0], "image_id": 999}]))
    return file


@pytest.fixture
def val(draw_set: Callable[..., Path]) -> Path:
    return draw_set("val", num_pictures=6)


def test_results_are_measured_kept_and_compared(
    val: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outs = [tmp_path / "all", tmp_path / "half"]
    for out, every in zip(outs, (1, 2), strict=True):
        said = run(
            capsys, 0, "evaluate", "--data", val, "--results", results_of(val, every=every),
            "--out", out, "--report", out / "report.html",
        )  # fmt: skip
        assert "1 results of 1 picture that the data lacks: left out (999)" in said
        page = (out / "report.html").read_text(encoding="utf-8")
        assert not OUTSIDE.search(re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL))
        assert "sourceMappingURL" not in page and "left out (999)" in page
    file, page = tmp_path / "out.json", tmp_path / "out.html"
    said = run(capsys, 0, "compare", *outs, "--out", file, "--report", page)
    assert "half is worse than all: AP -" in said.replace("\n", " ")
    content = json.loads(file.read_text())
    assert content["differences"][0]["metrics"]["AP"]["is_real"] is True
    assert "half is worse than all" in page.read_text(encoding="utf-8")


def test_results_files_are_compared_with_data(
    val: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", results_of(val), results_of(val, every=3)]
    said = run(capsys, 0, *words, "--data", val, "--sizes", "0,8,16")
    assert "results_3 is worse" in said.replace(".json", "") and "AP_0_8" in said
    assert "say with --data" in run(capsys, 1, *words)


def test_other_labels_are_refused(
    val: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run(capsys, 0, "evaluate", "--data", val, "--results", results_of(val), "--out", first)
    content = json.loads(val.read_text())
    content["annotations"].pop()
    val.write_text(json.dumps(content))
    run(capsys, 0, "evaluate", "--data", val, "--results", results_of(val), "--out", second)
    said = run(capsys, 1, "compare", first, second)
    assert "was measured on other labels (6 pictures, 23 objects)" in said
    assert "give two or more" in run(capsys, 1, "compare", first)
