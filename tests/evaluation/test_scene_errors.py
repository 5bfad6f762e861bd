"""What tiling does to a picture: pieces, doubles, losses, and limits, on one of two tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smalldet.columns import convert
from smalldet.detections import Detections, TileDetections
from smalldet.evaluation.caps import find_caps
from smalldet.evaluation.classes import match_classes
from smalldet.evaluation.comparison import compare
from smalldet.evaluation.scene_errors import SCENE_KINDS, scene_errors
from smalldet.evaluation.scoring import report_of
from smalldet.evaluation.tile_views import TileViews, TileWatch
from tests.evaluation.by_hand import Row, found, index, picture

CAR = 0
# 200 x 120 px; the tiles share the ground from x 80 to 120.
TILES = torch.tensor([[0, 0, 120, 120], [80, 0, 200, 120]])


def car(x: float, y: float, side: float = 10, score: float = 0.9, width: float = 0) -> Row:
    return (score, CAR, x, y, width or side, side)


def on(*rows: Row, ignore: tuple[int, ...] = ()) -> tuple[Row, ...]:
    """The objects that those detections are on."""
    return tuple(row[1:] for row in rows)


def views_of(
    left: list[Row], right: list[Row], capped: list[list[int]] | None = None
) -> tuple[TileWatch, TileViews]:
    """A picture of one tile, then that of two."""
    watch = TileWatch()
    names = ("car", "person")
    alone = TileDetections.empty(names, TILES[:1])
    watch.note(alone, torch.zeros(0, 4))
    watch.next_picture()
    both = found(*left, *right)
    tile = torch.tensor([0] * len(left) + [1] * len(right), dtype=torch.long)
    cut = torch.zeros(len(both), 4, dtype=torch.bool)
    seen = convert(both, TileDetections, tile=tile, cut=cut, tiles=TILES)
    watch.note(seen, torch.tensor(capped or [], dtype=torch.float32).reshape(-1, 4))
    watch.next_picture()
    return watch, watch.views(match_classes(index(picture()), names))


def causes(
    objects: tuple[Row, ...],
    merged: list[Row],
    left: list[Row],
    right: list[Row],
    capped: list[list[int]] | None = None,
    max_detections: int = 1500,
) -> dict[str, float | None]:
    """What is not 0; the same mistakes in a picture of one tile are none of tiling."""
    pictures = [picture(*objects, side=200), picture(*objects, side=200)]
    detections: list[Detections] = [found(*merged), found(*merged)]
    comparison = compare(index(*pictures), detections, conf=0.25, max_detections=max_detections)
    values = scene_errors(comparison, views_of(left, right, capped)[1])
    assert values["num_scenes"] == 1
    counts = {kind: values[f"errors_{kind}"] for kind in SCENE_KINDS}
    return {kind: count for kind, count in counts.items() if count}


def test_what_both_tiles_see_and_the_merge_joins_is_no_mistake() -> None:
    seen = car(95, 50)
    assert causes(on(seen), [seen], [seen], [seen]) == {}


def test_a_piece_at_an_edge_is_cut_by_it() -> None:
    """The object goes on beyond x = 120; the same loose box elsewhere is a loose box."""
    assert causes(on(car(100, 50, 20, width=60)), [car(100, 50, 20)], [], []) == {"seam_cut": 1}
    assert causes(on(car(20, 50, 20, width=60)), [car(20, 50, 20)], [], []) == {"localisation": 1}


def test_two_of_one_object_that_no_tile_shows_twice_are_doubled_by_the_seam() -> None:
    one, other = car(95, 50), car(97, 50, score=0.8)
    assert causes(on(one), [one, other], [one], [other]) == {"seam_doubled": 1}
    assert causes(on(one), [one, other], [one, other], []) == {"duplicate": 1}


def test_what_a_tile_has_found_alone_is_lost_by_the_merge() -> None:
    seen = car(95, 50)
    assert causes(on(seen), [], [seen], []) == {"seam_lost": 1}
    assert causes(on(seen), [], [car(95, 50, score=0.1)], []) == {"missed": 1}


def test_an_object_that_no_tile_shows_whole_is_lost_at_the_edge() -> None:
    assert causes(on(car(70, 50, 20, width=60)), [], [], []) == {"seam_lost": 1}
    assert causes(on(car(130, 50, 20, width=60)), [], [], []) == {"missed": 1}


def test_limits_come_before_seams() -> None:
    """An object in a tile that left something out, and one whose detection is one too many."""
    far, near = car(150, 50), car(20, 50, score=0.8)
    assert causes(on(far), [], [], [], capped=[[80, 0, 200, 120]]) == {"cap": 1}
    assert causes(on(far), [], [], [], capped=[[0, 0, 120, 120]]) == {"missed": 1}
    assert causes(on(far, near), [far, near], [near], [far], max_detections=1) == {"cap": 1}


def test_alarms_without_objects_are_background() -> None:
    assert causes((), [car(95, 50)], [], []) == {"background": 1}


def test_ap_of_tiles_beside_that_of_the_merged_picture() -> None:
    """The tiles find each object that they show whole; the merged picture has lost one of two."""
    first, second = car(20, 50), car(150, 50)
    between = car(70, 90, width=60)  # in both tiles in part: ignored there
    pictures = [picture(), picture(*on(first, second, between), side=200)]
    detections = [found(), found(first, between)]
    comparison = compare(index(*pictures), detections, conf=0.25, max_detections=9)
    watch, views = views_of([first], [second])
    values = scene_errors(comparison, views)
    assert values["tile_AP"] == pytest.approx(1)
    assert values["scene_AP"] == pytest.approx(67 / 101)  # two of three: recall 0 to 0.66
    report = report_of(comparison, detections, views=views)
    assert report.as_dict()["scene_errors"] == values
    assert isinstance(watch, TileWatch)


def test_pictures_of_one_tile_have_no_scene_errors() -> None:
    detections = [found(car(0, 0))]
    comparison = compare(index(picture()), detections, conf=0.25, max_detections=9)
    watch = TileWatch()
    watch.note(TileDetections.empty(("car", "person"), TILES[:1]), torch.zeros(0, 4))
    watch.next_picture()
    views = watch.views(match_classes(index(picture()), ("car", "person")))
    assert scene_errors(comparison, views) == {}
    assert "scene_errors" not in report_of(comparison, detections, views=views).as_dict()


def test_a_limit_that_bites_is_a_warning_with_its_cost() -> None:
    """Of three objects one is beyond the picture's limit; one of the others lies in a full tile."""
    first, second, third = car(20, 50), car(150, 50, score=0.8), car(95, 90, score=0.7)
    objects = on(first, second, third)
    pictures = [picture(), picture(*objects, side=200)]
    detections = [found(), found(first, third, car(20, 90, score=0.75))]
    comparison = compare(index(*pictures), detections, conf=0.25, max_detections=2)
    _, views = views_of([], [], capped=[[80, 0, 200, 120]])
    caps = {cap.name: cap for cap in find_caps(comparison, views)}
    assert (caps["max_detections"].num_reached, caps["max_detections"].lost) == (1, 1)
    assert (caps["tile"].num_reached, caps["tile"].lost) == (1, 2)
    assert caps["COCO_max_dets"].num_reached == 0
    report = report_of(comparison, detections, views=views)
    assert report.as_dict()["caps"]["max_detections"] == {"reached": 1, "recall_lost": 1 / 3}
    assert [note for note in report.notes if "0.333" in note and "--max-detections" in note]
    assert [note for note in report.notes if "1 tiles" in note and "0.667" in note]


def test_coco_s_limit_is_of_a_class_and_picture() -> None:
    """The 101st car is the one hit; of another class there is one."""
    alarms = [car(10 * (i % 20), 20 + 10 * (i // 20), 8) for i in range(100)]
    seen = [found(*alarms, car(500, 500, score=0.5), (0.9, 1, 500, 600, 9, 9))]
    truth = index(picture(*on(car(500, 500)), (1, 500, 600, 9, 9)))
    cap = find_caps(compare(truth, seen, conf=0.25, max_detections=500))[-1]
    assert (cap.name, cap.num_reached, cap.recall_lost) == ("COCO_max_dets", 1, 0.5)
    assert np.isclose(cap.as_dict()["recall_lost"] or 0, 0.5)
