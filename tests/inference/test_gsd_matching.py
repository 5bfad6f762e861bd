"""A picture of another ground sample distance is looked at as large as those of training."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.ops import box_iou

from smalldet.detections import Detections
from smalldet.imagery.gsd import UNKNOWN, Gsd
from smalldet.inference.gsd_matching import NEAR, match_gsd
from smalldet.inference.object_sizes import unusual_sizes
from smalldet.inference.options import MAX_SCALE, PredictOptions
from smalldet.inference.predictor import Predictor
from smalldet.models.seen import Seen, Spread

SPREAD: Spread = (0.1, 0.2, 0.2)
NAMES = ("car", "bus", "airplane")
SIDES: Spread = (8.0, 12.0, 20.0)


def looks(seen: Seen, metres: float, **more: Any) -> list[tuple[float, list[str]]]:
    matching = match_gsd(seen, NAMES, Gsd(metres, "as given"), **more)
    return [
        (look.scale, [NAMES[i] for i in torch.nonzero(look.classes).flatten().tolist()])
        for look in matching.looks
    ]


@pytest.mark.parametrize("metres", [0.1 / NEAR + 1e-9, 0.1, 0.15, 0.2, 0.2 * NEAR - 1e-9])
def test_within_the_range_of_training_nothing_is_rescaled(metres: float) -> None:
    matching = match_gsd(Seen(gsd_m=(SPREAD,) * 3), NAMES, Gsd(metres, "as given"))
    assert [look.scale for look in matching.looks] == [1.0]
    assert matching.told == "" and matching.warnings == ()


def test_beyond_the_range_the_picture_is_brought_well_into_it() -> None:
    seen = Seen(gsd_m=(SPREAD,) * 3)
    assert looks(seen, 0.8) == [(4.0, list(NAMES))]  # to the median, which is the far end here
    ((scale, _),) = looks(seen, 0.05)
    assert scale == pytest.approx(0.05 / (0.1 * 0.2) ** 0.5, abs=1e-4)


def test_classes_of_unknown_distance_are_looked_for_in_the_picture_as_it_is() -> None:
    seen = Seen(gsd_m=(SPREAD, SPREAD, None))
    assert looks(seen, 0.8) == [(4.0, ["car", "bus"]), (1.0, ["airplane"])]
    wanted = torch.tensor([True, False, False])
    assert looks(seen, 0.8, wanted=wanted) == [(4.0, ["car"])]
    assert looks(seen, 0.15) == [(1.0, list(NAMES))]


def test_classes_share_a_scale_where_one_suits_them() -> None:
    near: Spread = (0.18, 0.22, 0.24)
    far: Spread = (2.0, 2.0, 2.0)
    found = looks(Seen(gsd_m=(SPREAD, near, far)), 0.8)
    assert [names for _, names in found] == [["car", "bus"], ["airplane"]]
    for scale, names in found:
        for name in names:
            low, _, high = (SPREAD, near, far)[NAMES.index(name)]
            assert low / NEAR - 1e-3 <= 0.8 / scale <= high * NEAR + 1e-3


def test_what_cannot_be_found_is_warned_of_and_not_magnified() -> None:
    seen = Seen(gsd_m=(SPREAD, None, None), side_px=(SIDES, None, None))
    matching = match_gsd(seen, NAMES, Gsd(10.0, "as given"))
    assert [look.scale for look in matching.looks] == [1.0]
    assert matching.warnings == (
        "at 10 m a pixel a car has a side of about 0.2 px, which is too small to be found; it "
        "takes 3 px",
    )
    large = replace_sides(seen, (800.0, 1200.0, 2000.0))
    (warning,) = match_gsd(large, NAMES, Gsd(10.0, "as given")).warnings
    assert f"at most {MAX_SCALE:g} times" in warning


@pytest.mark.parametrize(
    ("metres", "more", "said"),
    [
        (0.2, {}, "at 0.2 m a pixel a car has a side of about 12 px; half of them are known to be "
         "found from 15 px on: pictures from closer, or a larger scale (--scales)"),
        (0.2, {"zoom": 2.0}, None),  # 24 px
        (0.1, {}, None),  # as they are, 24 px
        (0.4, {"rescale": False}, "at 0.4 m a pixel a car has a side of about 6 px; half of them "
         "are known to be found from 15 px on: pictures from closer, or leave out --no-gsd-match"),
        (0.6, {}, "at 0.6 m a pixel a car has a side of about 12 px, looked at 3 times its size; "
         "half of them are known to be found from 15 px on: pictures from closer, or a larger "
         "scale (--scales)"),
        (0.6, {"zoom": 1.5}, None),
        (9.9, {}, "at 9.9 m a pixel a car has a side of about 0.2 px, which is too small to be "
         "found; it takes 3 px"),
    ],
)  # fmt: skip
def test_a_class_smaller_than_it_is_known_to_be_found_is_warned_of(
    metres: float, more: dict[str, Any], said: str | None
) -> None:
    """By the scale that is really used; a class of which no limit is known is not."""
    seen = Seen(
        gsd_m=(SPREAD, SPREAD, None), side_px=(SIDES, SIDES, None), resolvable_px=(15.0, None, 9.0)
    )
    matching = match_gsd(seen, NAMES[:3], Gsd(metres, "as given"), **more)
    assert [w for w in matching.warnings if " car " in w] == ([said] if said else [])
    assert more.get("rescale", True) or {look.scale for look in matching.looks} == {1.0}


def replace_sides(seen: Seen, sides: Spread) -> Seen:
    return seen.model_copy(update={"side_px": (sides, None, None)})


def test_an_unknown_distance_and_a_model_without_any_change_nothing() -> None:
    for seen, gsd in ((Seen(gsd_m=(SPREAD,) * 3), UNKNOWN), (Seen(), Gsd(9.0, "as given"))):
        matching = match_gsd(seen, NAMES, gsd)
        assert [(look.scale, look.classes.tolist()) for look in matching.looks] == [(1, [True] * 3)]
        assert matching.told == ""


@pytest.fixture
def squares() -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Cars of 12 px at 0.2 m a pixel, in a scene of several tiles, and their boxes."""
    scene = np.zeros((400, 600, 3), np.uint8)
    boxes = [(x, y, x + 12, y + 12) for x in range(20, 560, 60) for y in range(20, 380, 60)]
    for x1, y1, x2, y2 in boxes:
        scene[y1:y2, x1:x2] = (255, 0, 255)
    return scene, np.array(boxes, dtype=np.float64)


@pytest.fixture
def fussy(finder: Any) -> Any:
    """A finder that knows squares of 8 to 20 px alone, as a model that saw no others does."""
    detect = finder.detect

    def fussily(images: torch.Tensor, conf: float, most: int) -> list[Detections]:
        found = detect(images, conf, most)
        sides = [(one.boxes[:, 2:] - one.boxes[:, :2]).amax(1) for one in found]
        return [one[(s >= 8) & (s <= 20)] for one, s in zip(found, sides, strict=True)]

    finder.detect = fussily
    finder.seen = Seen(gsd_m=((0.2, 0.2, 0.2), None), side_px=(SIDES, None))
    return finder


def resampled(scene: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    size = (round(scene.shape[1] * factor), round(scene.shape[0] * factor))
    return np.asarray(Image.fromarray(scene).resize(size, Image.Resampling.BOX))


def num_met(found: Detections, boxes: NDArray[np.float64]) -> int:
    """Boxes with a detection of IoU 0.5 or more."""
    overlaps = box_iou(torch.from_numpy(boxes), found.boxes.double())
    return int((overlaps >= 0.5).any(1).sum())


@pytest.mark.parametrize("factor", [4, 1, 0.25])
def test_objects_are_found_at_every_distance_in_the_picture_s_pixels(
    fussy: Any, squares: Any, factor: float
) -> None:
    scene, boxes = squares
    picture = resampled(scene, factor)
    options = PredictOptions(gsd_m=0.2 / factor, conf=0.2, overlap_frac=0.4)
    found = Predictor(fussy, options).predict(picture)
    assert num_met(found, boxes * factor) == len(boxes)
    plain = Predictor(fussy, options.model_copy(update={"no_gsd_match": True})).predict(picture)
    assert num_met(plain, boxes * factor) == (len(boxes) if factor == 1 else 0)


def test_the_scout_looks_from_as_far_as_it_would_at_a_picture_of_training(
    finder: Any, squares: Any
) -> None:
    """At a quarter of this picture's size an object would be less than a pixel."""
    scene, boxes = squares
    finder.seen = Seen(gsd_m=((0.2, 0.2, 0.2),) * 2)
    options = PredictOptions(gsd_m=0.8, conf=0.2, scout=True)
    found = Predictor(finder, options).predict(resampled(scene, 0.25))
    assert num_met(found, boxes * 0.25) == len(boxes)


def test_within_the_range_and_without_distances_all_is_as_before(
    finder: Any, draw_squares: Any
) -> None:
    scene, _ = draw_squares(500, 430, 60)
    before = Predictor(finder).predict(scene)
    finder.seen = Seen(gsd_m=((0.2, 0.3, 0.4), (0.2, 0.3, 0.4)))
    for options in (PredictOptions(), PredictOptions(gsd_m=0.25), PredictOptions(gsd_m=0.44)):
        after = Predictor(finder, options).predict(scene)
        assert torch.equal(before.boxes, after.boxes) and torch.equal(before.scores, after.scores)


def test_whole_stays_one_tile(fussy: Any, squares: Any) -> None:
    scene, boxes = squares
    large = scene.repeat(3, 0).repeat(3, 1)
    shapes: list[tuple[int, ...]] = []
    detect = fussy.detect
    fussy.detect = lambda images, *rest: shapes.append(tuple(images.shape)) or detect(images, *rest)
    fussy.seen = Seen(gsd_m=((0.2, 0.2, 0.2),) * 2)
    predictor = Predictor(fussy, PredictOptions(whole=True, gsd_m=0.2 / 3, conf=0.2))
    assert len(predictor.predict(large)) == len(boxes)
    assert shapes == [(1, 3, 416, 608)]


@pytest.mark.parametrize("gsd_m", [1e-9, 1e9])
@pytest.mark.parametrize("whole", [False, True])
def test_distances_out_of_all_bounds_end_in_no_error(
    fussy: Any, squares: Any, gsd_m: float, whole: bool
) -> None:
    found = Predictor(fussy, PredictOptions(gsd_m=gsd_m, whole=whole)).predict(squares[0])
    assert (len(found) == 0) == (gsd_m < 1)


def test_it_is_said_once(fussy: Any, squares: Any, caplog: pytest.LogCaptureFixture) -> None:
    scene, _ = squares
    predictor = Predictor(fussy, PredictOptions(gsd_m=0.8))
    with caplog.at_level(logging.INFO, "smalldet"):
        predictor.predict(scene)
        predictor.predict(scene)
    assert caplog.messages == [
        "array: 0.8 m a pixel as given: looked at 4 times its size for Car (trained at 0.2 m) and "
        "as it is for other-vehicle"
    ]


def test_a_run_of_another_distance_is_not_resumed(fussy: Any, squares: Any, tmp_path: Any) -> None:
    scene, _ = squares
    Predictor(fussy, PredictOptions(gsd_m=0.8)).predict(scene, checkpoint=tmp_path / "c")
    with pytest.raises(ValueError, match="differs in"):
        Predictor(fussy, PredictOptions(gsd_m=1.2)).predict(scene, checkpoint=tmp_path / "c")


def test_objects_are_kept_by_their_size_in_metres(finder: Any, draw_squares: Any) -> None:
    scene, _ = draw_squares(500, 430, 60)
    every = Predictor(finder).predict(scene)
    side_m = (every.boxes[:, 2:] - every.boxes[:, :2]).double().prod(1).sqrt() * 0.5
    options = PredictOptions(gsd_m=0.5, min_size_m=4, max_size_m=12)
    kept = Predictor(finder, options).predict(scene)
    assert 0 < len(kept) < len(every)
    assert torch.equal(kept.boxes, every.boxes[(side_m >= 4) & (side_m < 12)])
    with pytest.raises(ValueError, match="array: nothing tells its ground sample distance"):
        Predictor(finder, replace_gsd(options)).predict(scene)
    with pytest.raises(ValueError, match="must be less than"):
        PredictOptions(min_size_m=4, max_size_m=4)


def replace_gsd(options: PredictOptions) -> PredictOptions:
    return options.model_copy(update={"gsd_m": None})


def test_unusual_sizes_are_told() -> None:
    corner = torch.arange(12.0)[:, None].expand(12, 2) * 50
    found = Detections(
        torch.cat((corner, corner + 3), 1), torch.ones(12), torch.zeros(12).long(), NAMES
    )
    seen = Seen(side_px=(SIDES, None, None))
    (line,) = unusual_sizes([found], seen)
    assert line.startswith("car: those found have a side of about 3 px")
    usual = replace(found, boxes=torch.cat((corner, corner + 12), 1))
    assert unusual_sizes([usual], seen) == unusual_sizes([found[:5]], seen) == []
    assert unusual_sizes([found], Seen()) == unusual_sizes([], seen) == []
