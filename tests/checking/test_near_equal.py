"""Pictures that look the same: saved again, brighter, mirrored; and skies, which are not."""

from __future__ import annotations

import numpy as np
import pytest

from smalldet.checking.near_equal import near_equal


def thumbs(seed: int, num: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return list(rng.integers(40, 200, (num, 16, 16)).astype(np.uint8))


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (lambda one: one, ""),
        (lambda one: (one * 0.7 + 30).astype(np.uint8), ""),
        (lambda one: one[:, ::-1], ", mirrored"),
        (lambda one: np.rot90(one), ", turned by"),
        (lambda one: np.rot90(one, 2), ", turned by 180 degrees"),
    ],
)
def test_a_changed_copy_is_found_among_others(change, how: str) -> None:
    pictures = thumbs(0, 20)
    pictures.append(change(pictures[7]))
    own, other = near_equal(pictures, ["train"] * 21)
    assert [(one.first, one.second) for one in own] == [(7, 20)] and other == []
    assert own[0].likeness > 0.95 and own[0].turn.startswith(how)
    own, other = near_equal(pictures, ["train"] * 20 + ["val"])
    assert [(one.first, one.second) for one in other] == [(7, 20)] and own == []


def test_smooth_skies_are_not_alike() -> None:
    """The slope of two skies is nearly equal; what is left without it is noise."""
    rng = np.random.default_rng(1)
    slope = np.linspace(60, 160, 16)[:, None]
    skies = [(slope + rng.normal(0, 1.5, (16, 16))).astype(np.uint8) for _ in range(10)]
    plain = [np.full((16, 16), 90, dtype=np.uint8)] * 2
    assert near_equal([*skies, *plain], ["train"] * 12) == ([], [])


def test_many_pictures_go_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = thumbs(2, 11)
    pictures += [pictures[0], pictures[9]]
    splits = ["train"] * 12 + ["val"]
    monkeypatch.setattr("smalldet.checking.near_equal.ROWS_AT_ONCE", 4)
    own, other = near_equal(pictures, splits)
    assert [(one.first, one.second) for one in own] == [(0, 11)]
    assert [(one.first, one.second) for one in other] == [(9, 12)]


def test_a_clip_of_equal_frames_is_told_once_a_frame() -> None:
    """A thousand frames have half a million pairs; none of these is kept."""
    frame = thumbs(3, 1)[0]
    own, other = near_equal([frame] * 1000, ["train"] * 900 + ["val"] * 100)
    assert len(own) == 899 + 99 and len(other) == 100
