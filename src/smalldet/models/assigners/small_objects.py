"""Assigners: which locations of a head learn which object.

A whole batch is assigned at once, on the device of the head's outputs: a GPU that is asked for the
size of a result waits for all its work, so what is asked must not grow with the pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from smalldet.models.assigners.matching import assign_unmatched, claim
from smalldet.models.assigners.measures import BoxMeasure, Limits, UprightMeasure
from smalldet.models.locations import Level, Locations
from smalldet.targets import Target

UPRIGHT = UprightMeasure()


class Truth(NamedTuple):
    """The N objects of a batch, picture after picture.

    Args:
        boxes: (N, K) pixels, in the form of a measure: (N, 4) xyxy, or (N, 5) oriented.
        labels: (N,) int64.
        pictures: (N,) int64 position of the object's picture in the batch.
    """

    boxes: Tensor
    labels: Tensor
    pictures: Tensor

    @classmethod
    def of(
        cls, targets: Sequence[Target], device: torch.device, measure: BoxMeasure = UPRIGHT
    ) -> Truth:
        """The objects of all targets, on `device`."""
        counts = torch.tensor([len(target.boxes) for target in targets])
        return cls(
            measure.boxes_of(targets).to(device),
            torch.cat([target.labels for target in targets]).to(device),
            torch.arange(len(targets)).repeat_interleave(counts).to(device, non_blocking=True),
        )


class Assignment(NamedTuple):
    """What each of L locations of B pictures learns.

    Args:
        objects: (B, L) int64 row of the truth, -1 for background.
        quality: (B, L) in 0..1, the score that the location should give; 0 for background.
    """

    objects: Tensor
    quality: Tensor


class Candidates(NamedTuple):
    """P pairs of an object and a place that may learn it, and how well they suit each other.

    A place is a location of a picture: picture * L + location. Pairs stand object by object, the
    best aligned first.
    """

    objects: Tensor
    places: Tensor
    overlap: Tensor
    alignment: Tensor


class SmallObjectAssigner:
    """Task alignment with a prior of size and place, in which no object goes without a location.

    A pair's alignment is prior * sqrt(score) * overlap^3. The prior is RFLA's receptive-field
    similarity between the location's field and the object, so that assignment is sound before
    the head has learned anything; overlap is IoU, or ProbIoU of oriented boxes, mixed with NWD, so
    that a 4 px object whose box is 2 px off is not starved. Each object takes its `num_locations`
    best pairs; a location that several want goes to the best aligned; an object left without is
    given one by matching, wherever a one-to-one assignment over the candidates exists.

    Args:
        num_locations: most locations that one object takes.
        reach_strides: a location is a candidate within the box, or this near to its centre.
        most_strides: but no farther from the centre than this, so that an object that fills a
            picture has thousands of candidates, not tens of thousands.
        field_strides: side of a location's effective receptive field, in strides.
        measure: of the form that boxes have.

    Source: Feng et al. 2021, arXiv 2108.07755 (alignment); Xu et al. 2022, arXiv 2208.08738 (RFLA).
    """

    def __init__(
        self,
        num_locations: int = 9,
        reach_strides: float = 1.0,
        most_strides: float = 16.0,
        field_strides: float = 4.0,
        measure: BoxMeasure = UPRIGHT,
    ) -> None:
        self.num_locations = num_locations
        self.reach_strides = reach_strides
        self.most_strides = most_strides
        self.field_strides = field_strides
        self.measure = measure

    @torch.no_grad()
    def __call__(
        self, logits: Tensor, boxes: Tensor, locations: Locations, truth: Truth
    ) -> Assignment:
        """
        Args:
            logits: (B, L, C) of the classes.
            boxes: (B, L, K) predicted, in the measure's form.
            locations: where they stand.
            truth: objects of the batch.
        """
        shape = boxes.shape[:2]
        num_objects = len(truth.boxes)
        if num_objects == 0:
            nobody = torch.full(shape, -1, dtype=torch.long, device=boxes.device)
            return Assignment(nobody, boxes.new_zeros(shape))
        pairs, counts = self.candidates(logits, boxes, locations, truth)
        rank = torch.arange(len(pairs.objects), device=boxes.device)
        rank -= (counts.cumsum(0) - counts)[pairs.objects]
        claims = torch.where(rank < self.num_locations, pairs.alignment, -1.0)
        owner = claim(pairs.objects, pairs.places, claims, num_objects, shape.numel())
        owner = assign_unmatched(owner, pairs.places, counts)
        quality = _quality(pairs, owner, num_objects)
        return Assignment(owner.view(shape), quality.view(shape))

    def candidates(
        self, logits: Tensor, boxes: Tensor, locations: Locations, truth: Truth
    ) -> tuple[Candidates, Tensor]:
        """Pairs near enough in place and size, and (N,) how many each object has."""
        objects, near, counts = self._near(locations, truth.boxes)
        pictures = truth.pictures[objects]
        target = truth.boxes[objects]
        overlap = self.measure.overlap(boxes[pictures, near], target).clamp(min=1e-4)
        field = self.field_strides / 2 * locations.strides[near, None]
        prior = self.measure.field_likeness(locations.centres[near], field, target)
        score = logits[pictures, near, truth.labels[objects]].float().sigmoid()
        alignment = prior * score.clamp(min=1e-6).sqrt() * overlap**3
        order = torch.argsort(alignment, descending=True, stable=True)
        order = order[torch.argsort(objects[order], stable=True)]
        places = pictures * len(locations.strides) + near
        pairs = Candidates(objects[order], places[order], overlap[order], alignment[order])
        return pairs, counts

    def _near(self, locations: Locations, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Objects and locations of the pairs that are near, and how many each object has.

        The locations of a level that are near an object lie in a rectangle of cells, so pairs are
        counted and written down without a table of all objects by all locations.
        """
        finest = min(level.stride for level in locations.levels)
        # a stride of more than twice the object cannot tell it from its neighbours
        coarsest = (2 * self.measure.sides(boxes)).clamp(min=finest)
        limits = self.reach_strides, self.most_strides
        spans = [
            _span(self.measure.reach(boxes, _times(level.stride, limits)), level, coarsest)
            for level in locations.levels
        ]
        top, left, height, width = torch.stack(spans, 2)  # each (N, levels)
        cells = (height * width).flatten()
        # the one question to the device: how many pairs there are
        total = int(cells.sum())
        span = torch.arange(len(cells), device=boxes.device)
        span = span.repeat_interleave(cells, output_size=total)
        cell = torch.arange(total, device=boxes.device) - (cells.cumsum(0) - cells)[span]
        width = width.flatten()[span]
        row = top.flatten()[span] + cell // width
        column = left.flatten()[span] + cell % width
        level = span % len(locations.levels)
        first, across = torch.zeros_like(level), torch.zeros_like(level)
        start = 0
        for i, grid in enumerate(locations.levels):
            first = torch.where(level == i, start, first)
            across = torch.where(level == i, grid.width, across)
            start += grid.height * grid.width
        counts = cells.view(-1, len(locations.levels)).sum(1)
        return self._kept(
            locations, boxes, span // len(locations.levels), first + row * across + column, counts
        )

    def _kept(
        self, locations: Locations, boxes: Tensor, objects: Tensor, places: Tensor, counts: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of the pairs of a rectangle those that are near."""
        stride = locations.strides[places, None]
        least, most = self.reach_strides * stride, self.most_strides * stride
        near = self.measure.near(locations.centres[places], boxes[objects], least, most)
        if near is None:
            return objects, places, counts
        counts = torch.zeros_like(counts).index_add(0, objects, near.long())
        rows = near.nonzero()[:, 0]
        return objects[rows], places[rows], counts


def _times(stride: int, limits: Limits) -> Limits:
    least, most = limits
    return least * stride, most * stride


def _span(reach_of: tuple[Tensor, Tensor], level: Level, coarsest: Tensor) -> Tensor:
    """(4, N) int64: top, left, height and width of the cells of a level that are near each box.

    Near are cells whose centre is no farther from the box's centre than what it reaches.
    """
    stride = level.stride
    centre, reach = reach_of
    x1, y1 = ((centre - reach) / stride - 0.5).ceil().clamp(min=0).unbind(1)
    x2, y2 = ((centre + reach) / stride - 0.5).floor().unbind(1)
    width = (x2.clamp(max=level.width - 1) - x1 + 1).clamp(min=0)
    height = (y2.clamp(max=level.height - 1) - y1 + 1).clamp(min=0)
    return torch.stack([y1, x1, height * (stride <= coarsest), width]).long()


def _quality(pairs: Candidates, owner: Tensor, num_objects: int) -> Tensor:
    """(places,) alignment, scaled so that an object's best place is asked for its best overlap."""
    held = owner[pairs.places] == pairs.objects
    alignment = torch.where(held, pairs.alignment, 0.0)
    overlap = torch.where(held, pairs.overlap, 0.0)
    nothing = alignment.new_zeros(num_objects)
    best_alignment = nothing.scatter_reduce(0, pairs.objects, alignment, "amax")
    best_overlap = nothing.scatter_reduce(0, pairs.objects, overlap, "amax")
    quality = alignment / best_alignment[pairs.objects].clamp(min=1e-12)
    quality = quality * best_overlap[pairs.objects]
    return quality.new_zeros(len(owner)).scatter_reduce(0, pairs.places, quality, "amax")
