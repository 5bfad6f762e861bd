"""Assigners for detectors with priors: which anchor or receptive field learns which object.

All take priors (A, 4) and truth (N, 4), xyxy pixels, and give (A,) int64: the object of each prior,
`NEGATIVE`, or `IGNORED` for one that is too like an object to be called background. Every object
is given a prior, if need be by moving others over to their next best, wherever that is possible
among the `NUM_CANDIDATES` best priors of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from smalldet.geometry.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from smalldet.geometry.overlaps import (
    iou,
    normalized_wasserstein,
    pairwise,
    receptive_field_distance,
)
from smalldet.models.assigners.matching import assign_unmatched, claim

NEGATIVE = -1
IGNORED = -2
NUM_CANDIDATES = 32
# entries of the table of objects by priors that are held at once
TABLE_SIZE = 4_000_000

Measure = Callable[[Tensor, Tensor], Tensor]


class Ranking(NamedTuple):
    """How alike priors and objects are.

    Args:
        best: (A,) of each prior to its most alike object.
        best_object: (A,) that object.
        candidates: (N, K) the priors most alike to each object, best first.
        likeness: (N, K) how alike they are.
    """

    best: Tensor
    best_object: Tensor
    candidates: Tensor
    likeness: Tensor


@torch.no_grad()
def iou_assign(
    priors: Tensor, truth: Tensor, positive_from: float = 0.5, negative_below: float = 0.4
) -> Tensor:
    """By thresholds on IoU; an object that reaches none takes its best prior.

    Where an object overlaps no prior at all, the one nearest in place and size is its best.

    Args:
        priors: (A, 4) anchors.
        truth: (N, 4).
        positive_from: IoU from which a prior learns its best object; 0.7 is usual for an RPN.
        negative_below: IoU below which a prior is background; 0.3 is usual for an RPN.

    Source: Ren et al. 2015, arXiv 1506.01497, section 3.1.2; Lin et al. 2017, arXiv 1708.02002.
    """
    if len(truth) == 0:
        return _background(priors)
    ranking = _rank(priors, truth, _iou_or_nearest)
    enough = ranking.best >= positive_from
    return _settle(ranking, torch.where(enough, ranking.best_object, -1), 1, negative_below)


@torch.no_grad()
def nwd_rka_assign(
    priors: Tensor,
    truth: Tensor,
    num_best: int = 2,
    negative_below: float = 0.3,
    scale_px: float = 12.7,
) -> Tensor:
    """By rank: each object's best priors by normalised Wasserstein distance learn it.

    Args:
        priors: (A, 4) anchors.
        truth: (N, 4).
        num_best: priors that an object takes.
        negative_below: NWD to every object below which a prior is background.
        scale_px: the data set's mean object side.

    Source: Xu et al. 2022 (NWD-RKA), arXiv 2206.13996; the figures are the authors'.
    """
    if len(truth) == 0:
        return _background(priors)

    def measure(a: Tensor, b: Tensor) -> Tensor:
        return normalized_wasserstein(a, b, scale_px)

    ranking = _rank(priors, truth, measure)
    nobody = torch.full_like(ranking.best_object, -1)
    return _settle(ranking, nobody, num_best, negative_below)


@torch.no_grad()
def rfla_assign(
    priors: Tensor,
    truth: Tensor,
    num_best: int = 3,
    shrink: float = 0.9,
    negative_below: float = 0.8,
) -> Tensor:
    """By rank of receptive-field similarity, in two stages.

    First each object takes its best priors; then priors shrink and each object takes its best of
    them too, if it is still free: shrunk fields suit the smallest objects.

    Args:
        priors: (A, 4) boxes of the effective receptive fields, half the theoretical ones, round
            the locations of a head; or anchors.
        truth: (N, 4).
        num_best: priors that an object takes in the first stage.
        shrink: of the priors' sides in the second.
        negative_below: similarity to every object below which a prior is background.

    Source: Xu et al. 2022 (RFLA), arXiv 2208.08738; the figures are the authors'.
    """
    if len(truth) == 0:
        return _background(priors)
    first = _rank(priors, truth, receptive_field_distance)
    owner = _claim_best(first, num_best, len(priors))
    boxes = xyxy_to_cxcywh(priors)
    shrunk = cxcywh_to_xyxy(torch.cat([boxes[:, :2], boxes[:, 2:] * shrink], 1))
    second = _rank(shrunk, truth, receptive_field_distance)
    more = _claim_best(second, 1, len(priors))
    owner = torch.where(owner >= 0, owner, more)
    return _settle(second, owner, 0, negative_below)


def _background(priors: Tensor) -> Tensor:
    return torch.full((len(priors),), NEGATIVE, dtype=torch.long, device=priors.device)


def _iou_or_nearest(priors: Tensor, truth: Tensor) -> Tensor:
    """IoU, which orders priors that overlap alike, or not at all, by their similarity."""
    return iou(priors, truth) + 1e-4 * receptive_field_distance(priors, truth)


def _rank(priors: Tensor, truth: Tensor, measure: Measure) -> Ranking:
    """Compares all priors with all objects, some objects at a time."""
    best = torch.full((len(priors),), -1.0, device=priors.device)
    best_object = torch.zeros(len(priors), dtype=torch.long, device=priors.device)
    candidates, likeness = [], []
    most = min(NUM_CANDIDATES, len(priors))
    num_rows = max(1, TABLE_SIZE // max(1, len(priors)))
    for start in range(0, len(truth), num_rows):
        table = pairwise(lambda b, a: measure(a, b), truth[start : start + num_rows], priors)
        values, objects = table.max(0)
        best_object = torch.where(values > best, objects + start, best_object)
        best = torch.maximum(values, best)
        top = table.topk(most, 1)
        likeness.append(top.values)
        candidates.append(top.indices)
    return Ranking(best, best_object, torch.cat(candidates), torch.cat(likeness))


def _claim_best(ranking: Ranking, num_best: int, num_priors: int) -> Tensor:
    """(A,) object that holds each prior when each claims its best ones, or -1."""
    places = ranking.candidates[:, :num_best]
    objects = torch.arange(len(places), device=places.device)[:, None].expand_as(places)
    values = ranking.likeness[:, :num_best].flatten()
    return claim(objects.flatten(), places.flatten(), values, len(places), num_priors)


def _settle(ranking: Ranking, owner: Tensor, num_best: int, negative_below: float) -> Tensor:
    """Objects claim their best priors, the starved are fed, the rest is background or ignored."""
    if num_best > 0:
        claimed = _claim_best(ranking, num_best, len(owner))
        owner = torch.where(claimed >= 0, claimed, owner)
    counts = torch.full_like(ranking.candidates[:, 0], ranking.candidates.shape[1])
    owner = assign_unmatched(owner, ranking.candidates.flatten(), counts)
    rest = torch.where(ranking.best < negative_below, NEGATIVE, IGNORED)
    return torch.where(owner >= 0, owner, rest)
