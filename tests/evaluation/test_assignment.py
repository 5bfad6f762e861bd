"""Matching of all pictures at once gives what matching one detection after the other gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from smalldet.evaluation.assignment import Preferences, assign
from smalldet.evaluation.candidates import Candidates

_pairs = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 5), st.integers(5, 10)),
    max_size=40,
    unique_by=lambda pair: pair[:2],
)
_flags = st.lists(st.booleans(), min_size=6, max_size=6)


def _one_after_the_other(
    pairs: list[tuple[int, int, int]], ignored: list[bool], shared: list[bool], least: int
) -> list[int]:
    """The loop of COCO's code: strongest first; what counts before what is ignored; then the most
    alike; of equals the later."""
    given_to: list[int] = []
    for detection in range(8):
        options = [
            (not ignored[o], likeness, o)
            for d, o, likeness in pairs
            if d == detection and likeness >= least and (shared[o] or o not in given_to)
        ]
        given_to.append(max(options)[2] if options else -1)
    return given_to


@given(pairs=_pairs, ignored=_flags, shared=_flags, least=st.integers(5, 9))
@settings(deadline=None, max_examples=300)
def test_as_one_after_the_other(
    pairs: list[tuple[int, int, int]], ignored: list[bool], shared: list[bool], least: int
) -> None:
    ignored = [i or s for i, s in zip(ignored, shared, strict=True)]
    columns: NDArray[np.int64] = np.array(pairs, dtype=np.int64).reshape(-1, 3)
    preferences = Preferences.of(
        Candidates(columns[:, 0], columns[:, 1], columns[:, 2] / 10),
        np.array(ignored),
        np.array(shared),
        8,
    )
    expected = _one_after_the_other(pairs, ignored, shared, least)
    assert assign(preferences, least / 10).tolist() == expected


def test_a_chain_of_displaced_detections_settles() -> None:
    """Each wants what the one before it wants most: all but the last get their second choice."""
    num = 50
    first, second = np.arange(num), np.arange(num) + 1
    detections = np.concatenate([np.arange(num)] * 2)
    objects = np.concatenate([np.minimum(first, second) - first, second])  # all want object 0
    likeness = np.concatenate([np.full(num, 0.9), np.full(num, 0.6)])
    none = np.zeros(num + 1, dtype=np.bool_)
    preferences = Preferences.of(Candidates(detections, objects, likeness), none, none, num)
    assert assign(preferences, 0.5).tolist() == [0, *range(2, num + 1)]
