"""A worker gives what `predict` gives, whole or in parts, and one bad scene loses no other."""

import logging
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from smalldet.archives.handout import missing_parts
from smalldet.archives.messages import Bundle, Join, Part
from smalldet.imagery import open_scene
from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor
from tests.inference.conftest import SquareFinder

PIXELS = ("x1", "y1", "x2", "y2")


def rows(content: bytes) -> list[dict]:
    return parquet.read_table(pyarrow.BufferReader(content)).to_pylist()


def boxes_and_scores(found: list[dict]) -> list[tuple]:
    return [(*(row[key] for key in PIXELS), row["score"], row["class"]) for row in found]


def plain(name: str, **options) -> list[tuple]:
    predictor = Predictor(SquareFinder(), PredictOptions.model_validate(options))
    with open_scene(name) as scene:
        found = predictor.predict(scene)
    return [
        (*box, score, label)
        for box, score, label in zip(
            found.boxes.tolist(), found.scores.tolist(), found.named(), strict=True
        )
    ]


def test_a_bundle_is_one_table_of_all_its_scenes(write_scene, make_worker):
    names = [write_scene("a.tif"), write_scene("b.png", seed=1), write_scene("c.tif", num=0)]
    answer = make_worker().work(Bundle(tuple(names)))
    found = rows(answer.partition)
    assert [(scene.source, scene.num_objects) for scene in answer.scenes] == [
        (names[0], 6),
        (names[1], 6),
        (names[2], 0),
    ]
    for name in names:
        own = [row for row in found if row["source"] == name]
        assert boxes_and_scores(own) == plain(name)
        assert [row["id"] for row in own] == list(range(1, len(own) + 1))
    # only what has a place has a shape
    assert {row["source"] for row in found if row["geometry"] is None} == {names[1]}
    assert all(15 < row["longitude"] < 15.1 for row in found if row["source"] == names[0])


def test_what_is_wrong_with_a_scene_loses_no_other(write_scene, make_worker, tmp_path):
    broken = tmp_path / "broken.tif"
    broken.write_text("no picture")
    whole = Path(write_scene("whole.tif")).read_bytes()
    short = tmp_path / "short.tif"
    short.write_bytes(whole[: len(whole) // 2])
    names = [str(broken), str(tmp_path / "gone.tif"), str(short), write_scene("a.tif")]
    answer = make_worker().work(Bundle(tuple(names)))
    assert [scene.source for scene in answer.scenes] == names[3:]
    assert [failure.source for failure in answer.failures] == names[:3]
    assert all(failure.source in failure.why for failure in answer.failures)
    assert answer.failures[1].kind == "FileNotFoundError"


@pytest.mark.parametrize("tiles_per_part", [1, 5, 13])
@pytest.mark.parametrize("options", [{}, {"scales": (1.0, 0.5)}, {"across_classes": True}])
def test_a_scene_in_parts_is_the_scene_as_a_whole(
    write_scene, make_worker, tiles_per_part, options
):
    """The merge at the seams of parts is the merge at the seams of tiles."""
    name = write_scene("large.tif", 700, 600, 90, max_side=60)
    worker = make_worker(tiles_per_part, **options)
    begun = worker.work(Bundle((name,)))
    ((source, num_tiles),) = begun.large
    assert source == name and num_tiles > 13 and not begun.partition
    notes: dict[str, bytes] = {}
    for part in reversed(missing_parts([], num_tiles, tiles_per_part)):
        answer = worker.work(Part(name, part))
        assert not answer.failures
        notes |= answer.notes
    assert sum(map(len, missing_parts([], num_tiles, tiles_per_part))) == num_tiles
    joined = worker.work(Join(name, notes))
    assert boxes_and_scores(rows(joined.partition)) == plain(name, **options)
    assert len(rows(joined.partition)) > 80


def test_a_join_reads_no_tile_again(write_scene, make_worker, monkeypatch):
    name = write_scene("large.tif", 500, 400, 30)
    worker = make_worker(4)
    ((_, num_tiles),) = worker.work(Bundle((name,))).large
    notes = worker.work(Part(name, range(num_tiles))).notes
    monkeypatch.setattr(SquareFinder, "detect", None)
    assert worker.work(Join(name, notes)).scenes[0].num_objects == 30


@pytest.mark.parametrize("harm", ["missing", "cut short", "of another picture"])
def test_notes_that_cannot_be_used_are_made_again(write_scene, make_worker, harm):
    name = write_scene("large.tif", 500, 400, 30)
    worker = make_worker(4)
    ((_, num_tiles),) = worker.work(Bundle((name,))).large
    notes: dict[str, bytes] = {}
    for part in missing_parts([], num_tiles, 6):
        notes |= worker.work(Part(name, part)).notes
    middle = sorted(notes)[1]
    if harm == "missing":
        del notes[middle]
    elif harm == "cut short":
        notes[middle] = notes[middle][:-9]
    else:
        write_scene("large.tif", 500, 400, 30, seed=7)
    joined = worker.work(Join(name, notes))
    assert boxes_and_scores(rows(joined.partition)) == plain(name)


def test_a_bundle_stops_when_it_holds_enough(write_scene, make_worker):
    """So that a killed worker loses seconds of work, however large the scenes are."""
    names = tuple(write_scene(f"{number}.png", seed=number) for number in range(5))
    answer = make_worker(tiles_per_unit=9).work(Bundle(names))
    assert [scene.source for scene in answer.scenes] == list(names[:3])  # of 4 tiles each
    assert answer.left == names[3:]


def test_all_partitions_have_the_same_columns(write_scene, make_worker):
    worker = make_worker()
    empty, full, unplaced = (
        parquet.read_schema(pyarrow.BufferReader(worker.work(Bundle((name,))).partition))
        for name in (
            write_scene("empty.tif", num=0),
            write_scene("full.tif"),
            write_scene("full.png"),
        )
    )
    assert empty.remove_metadata() == full.remove_metadata() == unplaced.remove_metadata()


def test_a_scene_outside_of_the_area_is_done_and_says_so(write_scene, make_worker, tmp_path):
    ring = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
    area = tmp_path / "area.geojson"
    area.write_text(f'{{"type": "Polygon", "coordinates": {ring}}}')
    answer = make_worker(area=area).work(Bundle((write_scene("a.tif"),)))
    assert answer.scenes[0].num_objects == 0 and "lies outside" in answer.scenes[0].remark
    assert not answer.failures and rows(answer.partition) == []


def test_a_worker_leaves_no_ear_behind(write_scene, make_worker):
    """Verbs that run in the same process afterwards print what is logged, once."""
    before = list(logging.getLogger("smalldet").handlers)
    make_worker().work(Bundle((write_scene("a.png"),)))
    assert logging.getLogger("smalldet").handlers == before
