"""Priors: what each rule calls object, background and neither, and that no object goes without."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from smalldet.geometry.overlaps import (
    iou,
    normalized_wasserstein,
    pairwise,
    receptive_field_distance,
)
from smalldet.models.assigners import anchors as anchor_assigners
from smalldet.models.assigners.anchors import (
    IGNORED,
    NEGATIVE,
    NUM_CANDIDATES,
    iou_assign,
    nwd_rka_assign,
    rfla_assign,
)

Assign = Callable[[Tensor, Tensor], Tensor]
ALL: list[Assign] = [iou_assign, nwd_rka_assign, rfla_assign]


def anchors(side_px: int = 64) -> Tensor:
    """Squares of 8 and 16 px at every 8 px."""
    centre = torch.arange(4, side_px, 8).float()
    y, x = torch.meshgrid(centre, centre, indexing="ij")
    middles = torch.stack([x, y], -1).reshape(-1, 2)
    halves = torch.tensor([4.0, 8.0]).repeat(len(middles))[:, None]
    middles = middles.repeat_interleave(2, 0)
    return torch.cat([middles - halves, middles + halves], 1)


def crowd(num: int, seed: int) -> Tensor:
    """Objects of 1 to 20 px in a corner of 20 px, many on top of each other."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(num, 2, generator=generator) * 20
    half = torch.exp(torch.rand(num, 2, generator=generator) * 3) / 2
    return torch.cat([centre - half, centre + half], 1)


@pytest.mark.parametrize("assign", ALL)
@settings(deadline=None, max_examples=40)
@given(num=st.integers(1, NUM_CANDIDATES), seed=st.integers(0, 10_000))
def test_every_object_gets_a_prior_however_they_crowd(assign: Assign, num: int, seed: int) -> None:
    """With no more objects than each has candidates, a one-to-one assignment always exists."""
    matched = assign(anchors(), crowd(num, seed))
    assert set(range(num)) <= set(matched.tolist()) <= {*range(num), NEGATIVE, IGNORED}


@pytest.mark.parametrize("assign", ALL)
def test_an_object_far_from_every_prior_gets_one_too(assign: Assign) -> None:
    assert (assign(anchors(), torch.tensor([[500.0, 500, 503, 503]])) == 0).any()


@pytest.mark.parametrize("assign", ALL)
def test_without_objects_all_is_background(assign: Assign) -> None:
    matched = assign(anchors(), torch.zeros(0, 4))
    assert matched.dtype == torch.long
    assert (matched == NEGATIVE).all()


@pytest.mark.parametrize("assign", ALL)
def test_objects_compared_in_parts_are_assigned_alike(
    assign: Assign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large tables are made in parts, so that many anchors and objects fit into memory."""
    truth = crowd(20, 0)
    whole = assign(anchors(), truth)
    monkeypatch.setattr(anchor_assigners, "TABLE_SIZE", 3 * len(anchors()))
    assert torch.equal(assign(anchors(), truth), whole)


@settings(deadline=None, max_examples=40)
@given(num=st.integers(1, 6), seed=st.integers(0, 10_000))
def test_iou_thresholds_decide_all_but_the_best_priors(num: int, seed: int) -> None:
    priors, truth = anchors(), crowd(num, seed)
    matched = iou_assign(priors, truth, positive_from=0.5, negative_below=0.4)
    best = pairwise(iou, priors, truth).amax(1)
    # a like tie-breaker of 1e-4 stands at the thresholds
    assert (matched[best >= 0.5] >= 0).all()
    assert (best[matched == NEGATIVE] < 0.4).all()
    assert ((best[matched == IGNORED] >= 0.3999) & (best[matched == IGNORED] < 0.5)).all()
    forced = matched[(matched >= 0) & (best < 0.4999)]
    assert len(forced) == len(forced.unique()) <= num


@settings(deadline=None, max_examples=40)
@given(num=st.integers(1, 6), seed=st.integers(0, 10_000))
def test_nwd_rka_takes_two_priors_an_object_and_ignores_the_like(num: int, seed: int) -> None:
    priors, truth = anchors(), crowd(num, seed)
    matched = nwd_rka_assign(priors, truth, scale_px=12.7)
    best = pairwise(normalized_wasserstein, priors, truth, scale_px=12.7).amax(1)
    assert torch.bincount(matched[matched >= 0]).max() <= 2
    assert (best[matched == NEGATIVE] < 0.3).all()
    assert (best[matched == IGNORED] >= 0.3).all()


def test_nwd_rka_gives_a_lone_object_its_two_nearest_priors() -> None:
    truth = torch.tensor([[8.5, 8.5, 15.5, 15.5]])
    matched = nwd_rka_assign(anchors(), truth)
    nearest = pairwise(normalized_wasserstein, anchors(), truth, scale_px=12.7)[:, 0].topk(2)
    assert (matched == 0).nonzero()[:, 0].tolist() == sorted(nearest.indices.tolist())


def test_rfla_takes_three_priors_and_one_of_the_shrunk() -> None:
    """Its own field is right for the object, so the fourth is the next best, shrunk."""
    truth = torch.tensor([[9.0, 8, 17, 16]])
    matched = rfla_assign(anchors(), truth)
    likeness = pairwise(receptive_field_distance, anchors(), truth)[:, 0]
    taken = (matched == 0).nonzero()[:, 0].tolist()
    assert set(likeness.topk(3).indices.tolist()) <= set(taken)
    assert 3 <= len(taken) <= 4
    assert (likeness[matched == NEGATIVE] < 0.9).all()
