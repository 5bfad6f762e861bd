"""Assigners: which locations of a head learn which object."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from smalldet.geometry.boxes import box_sides
from smalldet.geometry.overlaps import receptive_field_distance
from smalldet.models.heads import Locations
from smalldet.models.losses import small_overlap
from smalldet.models.matching import feed_starved


class Assignment(NamedTuple):
    """What each of L locations learns.

    Args:
        objects: (L,) int64 row of the truth, -1 for background.
        quality: (L,) in 0..1, the score that the location should give; 0 for background.
    """

    objects: Tensor
    quality: Tensor


class Candidates(NamedTuple):
    """P pairs of an object and a location that may learn it, and how well they suit each other."""

    objects: Tensor
    locations: Tensor
    overlap: Tensor
    alignment: Tensor


class SmallObjectAssigner:
    """Task alignment with a prior of size and place, in which no object goes without a location.

    A pair's alignment is prior * sqrt(score) * overlap^3. The prior is RFLA's receptive-field
    similarity between the location's field and the object, so that assignment is sound before
    the head has learned anything; overlap is IoU mixed with NWD, so that a 4 px object whose box
    is 2 px off is not starved. Each object takes its `num_locations` best pairs; a location that
    several want goes to the best aligned; an object left without is given one by matching,
    wherever a one-to-one assignment over the candidates exists.

    Args:
        num_locations: most locations that one object takes.
        reach_strides: a location is a candidate within the box, or this near to its centre.
        field_strides: side of a location's effective receptive field, in strides.

    Source: Feng et al. 2021, arXiv 2108.07755 (alignment); Xu et al. 2022, arXiv 2208.08738 (RFLA).
    """

    def __init__(
        self, num_locations: int = 9, reach_strides: float = 1.0, field_strides: float = 4.0
    ) -> None:
        self.num_locations = num_locations
        self.reach_strides = reach_strides
        self.field_strides = field_strides

    @torch.no_grad()
    def __call__(
        self, scores: Tensor, boxes: Tensor, locations: Locations, truth: Tensor, labels: Tensor
    ) -> Assignment:
        """
        Args:
            scores: (L, C) in 0..1.
            boxes: (L, 4) predicted, xyxy pixels.
            locations: where they stand.
            truth: (N, 4) xyxy pixels.
            labels: (N,) int64.
        """
        num_locations = len(boxes)
        owner = torch.full((num_locations,), -1, dtype=torch.long, device=boxes.device)
        quality = boxes.new_zeros(num_locations)
        if len(truth) == 0:
            return Assignment(owner, quality)
        pairs = self.candidates(scores, boxes, locations, truth, labels)
        chosen = _best_of_each(pairs.objects, pairs.alignment, self.num_locations)
        owner = _claim(owner, pairs, chosen)
        owner = feed_starved(owner, pairs.objects, pairs.locations, pairs.alignment, len(truth))
        held = owner[pairs.locations] == pairs.objects
        quality[pairs.locations[held]] = _quality(pairs, held, len(truth))
        return Assignment(owner, quality)

    def candidates(
        self, scores: Tensor, boxes: Tensor, locations: Locations, truth: Tensor, labels: Tensor
    ) -> Candidates:
        """Pairs near enough in place and size, and their alignment."""
        centre = (truth[:, :2] + truth[:, 2:]) / 2
        half = (truth[:, 2:] - truth[:, :2]) / 2
        reach = torch.maximum(half[:, None], self.reach_strides * locations.strides[None, :, None])
        near = ((locations.centres[None] - centre[:, None]).abs() <= reach).all(-1)
        # a stride of more than twice the object cannot tell it from its neighbours
        finest = locations.strides.min()
        near &= locations.strides[None] <= (2 * box_sides(truth)[:, None]).clamp(min=finest)
        objects, places = near.nonzero(as_tuple=True)
        target = truth[objects]
        overlap = small_overlap(boxes[places], target).clamp(min=1e-4)
        field = self.field_strides / 2 * locations.strides[places, None]
        centres = locations.centres[places]
        prior = receptive_field_distance(torch.cat([centres - field, centres + field], 1), target)
        score = scores[places, labels[objects]]
        alignment = prior * score.clamp(min=1e-6).sqrt() * overlap**3
        return Candidates(objects, places, overlap, alignment)


def _best_of_each(groups: Tensor, values: Tensor, most: int) -> Tensor:
    """Rows that are among the `most` highest values of their group."""
    order = torch.argsort(values, descending=True, stable=True)
    order = order[torch.argsort(groups[order], stable=True)]
    counts = torch.bincount(groups)
    starts = counts.cumsum(0) - counts
    rank = torch.arange(len(order), device=order.device) - starts[groups[order]]
    return order[rank < most]


def _claim(owner: Tensor, pairs: Candidates, chosen: Tensor) -> Tensor:
    """Each location to the best aligned of the objects that chose it."""
    order = chosen[torch.argsort(pairs.alignment[chosen], descending=True, stable=True)]
    places = pairs.locations[order]
    # among equal places the first after a stable sort is the best aligned
    by_place = torch.argsort(places, stable=True)
    places = places[by_place]
    first = torch.ones_like(places, dtype=torch.bool)
    first[1:] = places[1:] != places[:-1]
    owner[places[first]] = pairs.objects[order[by_place[first]]]
    return owner


def _quality(pairs: Candidates, held: Tensor, num_objects: int) -> Tensor:
    """Alignment scaled so that each object's best location is asked for its best overlap."""
    objects, alignment = pairs.objects[held], pairs.alignment[held]
    zeros = alignment.new_zeros(num_objects)
    best_alignment = zeros.scatter_reduce(0, objects, alignment, "amax")
    best_overlap = zeros.scatter_reduce(0, objects, pairs.overlap[held], "amax")
    return alignment / best_alignment[objects].clamp(min=1e-12) * best_overlap[objects]
