"""DOTA's folder of results says what was written there; other lines are refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.dota_results import read_dota_results
from smalldet.evaluation.result_files import read_results
from smalldet.geometry.oriented import canonical, enclosing_boxes, rboxes_to_quads
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result
from smalldet.inference.writers import write
from tests.evaluation.by_hand import picture

NAMES = ("plane", "large vehicle", "tennis-court")
MAPS = MapOptions(format="dota-results")
LINE = "P0001 0.5 10 20 30 20 30 26 10 26"


def result_of(name: str, found: Detections) -> Result:
    return Result(name, name, (), 4000, 3000, None, None, found)


@st.composite
def detections(draw: st.DrawFn, oriented: bool) -> Detections:
    num = draw(st.integers(0, 5))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    low, high = [-5, -5, 2, 1, -4], [4000, 3000, 90, 40, 4]
    table = torch.from_numpy(rng.uniform(low, high, (num, 5)).astype(np.float32))
    rboxes = canonical(table) if oriented else torch.cat((table[:, :4], table[:, 4:] * 0), dim=1)
    return Detections(
        enclosing_boxes(rboxes),
        torch.from_numpy(rng.uniform(0, 1, num).astype(np.float32)),
        torch.from_numpy(rng.integers(0, len(NAMES), num)),
        NAMES,
        rboxes=rboxes if oriented else None,
    )


@pytest.mark.parametrize("oriented", [True, False])
@given(data=st.data())
def test_what_is_written_is_read(oriented: bool, data: st.DataObject, tmp_path_factory) -> None:
    paths = ["a/P1.png", "a/my ship.v2.tif", "b/P1.png", "b/P1.tif"]
    told = ["a/P1", "my ship.v2", "b/P1.png", "b/P1.tif"]
    made = [data.draw(detections(oriented)) for _ in paths]
    folder = tmp_path_factory.mktemp("results")
    files = write(folder, [result_of(*one) for one in zip(paths, made, strict=True)], MAPS)
    task = "Task1" if oriented else "Task2"
    words = ("plane", "large-vehicle", "tennis-court")
    assert [file.name for file in files] == [f"{task}_{word}.txt" for word in words]
    found = read_dota_results(folder)
    assert set(found.picture_names) <= set(told) and sorted(words) == [*found.class_names]
    assert len(found.scores) == sum(map(len, made))
    for name, one in zip(told, made, strict=True):
        number = found.picture_names.index(name) if name in found.picture_names else -1
        rows = np.flatnonzero(found.pictures == number)
        names = [found.class_names[label].replace("-", " ") for label in found.labels[rows]]
        # in a picture, a class keeps its order
        order = np.argsort(np.array([n.replace("-", " ") for n in one.named()]), kind="stable")
        assert names == [one.named()[row].replace("-", " ") for row in order]
        assert found.scores[rows].astype(np.float32).tolist() == one.scores[order].tolist()
        np.testing.assert_allclose(found.boxes[rows], one.boxes[order], atol=2e-3)
        if one.rboxes is not None and len(one):
            assert found.rboxes is not None
            read = rboxes_to_quads(torch.from_numpy(found.rboxes[rows]))
            gaps = (rboxes_to_quads(one.rboxes[order])[:, :, None] - read[:, None]).norm(dim=3)
            assert float(gaps.amin(dim=2).max()) < 2e-3


def test_lines_are_those_of_the_published_layout(tmp_path: Path) -> None:
    rboxes = torch.tensor([[20.0, 23, 20, 6, 0]])
    found = Detections(
        enclosing_boxes(rboxes), torch.tensor([0.5]), torch.tensor([1]), NAMES, rboxes=rboxes
    )
    write(tmp_path / "one", [result_of("x/P0001.png", found)], MAPS)
    [text] = [file.read_text() for file in (tmp_path / "one").glob("*") if file.stat().st_size]
    assert text == "P0001 0.5 10.0 20.0 30.0 20.0 30.0 26.0 10.0 26.0\n"
    upright = replace(found, rboxes=None)
    write(tmp_path / "two", [result_of("x/P0001.png", upright)], MAPS)
    text = (tmp_path / "two/Task2_large-vehicle.txt").read_text()
    assert text == "P0001 0.5 10.0 20.0 30.0 26.0\n"
    assert (tmp_path / "two/Task2_plane.txt").read_text() == ""


def test_names_that_no_file_can_have_are_refused(tmp_path: Path) -> None:
    none = Detections.empty(("car",))
    write(tmp_path, [result_of("a.png", none)], MAPS)
    with pytest.raises(ValueError, match=r"Task2_car\.txt: is there already, of other results"):
        write(tmp_path, [result_of("a.png", Detections.empty(("bus",)))], MAPS)
    write(tmp_path, [result_of("b.png", none)], MAPS)
    for names, said in (
        (("a/b",), "class 'a/b' cannot stand in the name of a file"),
        (("my car", "My  Car"), "differ in space or case alone"),
    ):
        with pytest.raises(ValueError, match=said):
            write(tmp_path / "new", [result_of("a.png", Detections.empty(names))], MAPS)


def test_space_in_a_picture_s_name_is_told(tmp_path: Path, caplog) -> None:
    write(tmp_path, [result_of("my ship.png", Detections.empty(("car",)))], MAPS)
    assert "1 pictures have space in their names, which DOTA's devkit parts" in caplog.text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("P0001 0.5 10 20 30 20 30 26 10", "not picture score x1 y1 x2 y2 x3 y3 x4 y4"),
        ("P0001 0.5 10 20 30 20 30 26 10 x", "not picture score"),
        ("P0001 nan 10 20 30 20 30 26 10 26", "not picture score"),
        ("P0001 0.5 10 20 30 20 30 26 10 inf", "not picture score"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "Task1_ship.txt").write_text(f"{LINE}\n{line}\n")
    with pytest.raises(ValueError, match=rf"Task1_ship\.txt: line 2 is .*{said}"):
        read_dota_results(tmp_path)


def test_what_is_no_such_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="has no Task1_CLASS"):
        read_dota_results(tmp_path)
    (tmp_path / "Task1_ship.txt").write_text(LINE)
    (tmp_path / "Task2_ship.txt").write_text("")
    with pytest.raises(ValueError, match="has results of Task1 and of Task2"):
        read_dota_results(tmp_path)


def test_results_are_met_with_the_pictures_and_classes_of_a_truth(tmp_path: Path) -> None:
    """As written, whatever the spelling of classes; what the truth lacks is told."""
    rboxes = torch.tensor([[20.0, 23, 20, 6, 0.5], [50, 60, 30, 9, -1]])
    found = Detections(
        enclosing_boxes(rboxes), torch.tensor([0.5, 0.25]), torch.tensor([1, 0]), NAMES, rboxes
    )
    none = found[torch.zeros(2, dtype=torch.bool)]
    results = [result_of("x/a.png", found), result_of("x/b.png", none), result_of("x/z.png", found)]
    write(tmp_path, results, MAPS)
    records = [replace(picture(), path=Path(name)) for name in ("y/b.tif", "y/a.tif")]
    read = read_results(tmp_path, Index(("plane", "large vehicle"), tuple(records)))
    assert read.remarks == (
        "2 results of 1 picture that the data lacks: left out (z)",
        "1 of 2 pictures have no result",
    )
    assert [len(one) for one in read.detections] == [0, 2]
    again = read.detections[1]
    assert again.named() == ["large-vehicle", "plane"] and again.rboxes is not None
    torch.testing.assert_close(again.rboxes.float(), rboxes, atol=1e-3, rtol=0)
    torch.testing.assert_close(again.boxes, found.boxes, atol=1e-3, rtol=0)
    assert again.scores.tolist() == [0.5, 0.25]
    strange = Index(("plane",), (replace(picture(), path=Path("q.png")),))
    with pytest.raises(ValueError, match=r"none of its pictures, such as a, is in the data"):
        read_results(tmp_path, strange)


def test_a_folder_with_nothing_found_is_a_result(tmp_path: Path) -> None:
    write(tmp_path, [result_of("a.png", Detections.empty(NAMES))], MAPS)
    read = read_results(tmp_path, Index(NAMES, (replace(picture(), path=Path("a.png")),)))
    assert read.remarks == ("holds no result",) and len(read.detections[0]) == 0
