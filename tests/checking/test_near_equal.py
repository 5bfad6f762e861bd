"""Pictures that look the same: saved again, brighter, mirrored; and skies, which are not."""

from __future__ import annotations

import numpy as np
import pytest

from smalldet.checking.near_equal import near_equal_pairs


def thumbs(seed: int, num: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return list(rng.integers(40, 200, (num, 32, 32)).astype(np.uint8))


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
    found = list(near_equal_pairs(pictures))
    assert [(a, b) for a, b, _, _ in found] == [(7, 20)]
    assert found[0][2] > 0.95 and found[0][3].startswith(how)


def test_smooth_skies_are_not_alike() -> None:
    """The slope of two skies is nearly equal; what is left without it is noise."""
    rng = np.random.default_rng(1)
    slope = np.linspace(60, 160, 32)[:, None]
    skies = [(slope + rng.normal(0, 1.5, (32, 32))).astype(np.uint8) for _ in range(10)]
    plain = [np.full((32, 32), 90, dtype=np.uint8)] * 2
    assert list(near_equal_pairs([*skies, *plain])) == []


def test_many_pictures_go_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = thumbs(2, 11)
    pictures += [pictures[0], pictures[9]]
    whole = list(near_equal_pairs(pictures))
    monkeypatch.setattr("smalldet.checking.near_equal.ROWS_AT_ONCE", 4)
    again = list(near_equal_pairs(pictures))
    assert {(a, b, how) for a, b, _, how in again} == {(a, b, how) for a, b, _, how in whole}
    assert {(a, b) for a, b, _, _ in whole} == {(0, 11), (9, 12)}
