"""Copy-paste: every box lies on what it names, and what is unknown stays so."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smalldet.data.copy_paste import pasted
from smalldet.targets import Target

SIDE = 96
BRIGHT = 250


def drawn(boxes: list[tuple[int, int, int, int]]) -> tuple[torch.Tensor, Target]:
    """Dark ground with a bright rectangle for each box."""
    image = torch.full((3, SIDE, SIDE), 20, dtype=torch.uint8)
    for x1, y1, x2, y2 in boxes:
        image[:, y1:y2, x1:x2] = BRIGHT
    labels = torch.arange(len(boxes)) % 2
    return image, Target.of(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), labels, 2)


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.tuples(st.integers(2, 14), st.integers(2, 14)), min_size=1, max_size=5),
    seed=st.integers(0, 2**31),
)
def test_boxes_lie_on_their_pixels(sizes: list[tuple[int, int]], seed: int):
    """Bright pixels are exactly those of the boxes: copies overlap nothing and leave nothing."""
    cells = np.random.default_rng(seed).permutation(9)[: len(sizes)]
    boxes = []
    for cell, (width, height) in zip(cells.tolist(), sizes, strict=True):
        x, y = 8 + 30 * (cell % 3), 8 + 30 * (cell // 3)
        boxes.append((x, y, x + width, y + height))
    image, target = drawn(boxes)
    before = image.clone()
    changed, truth = pasted(image, target, np.random.default_rng(seed))
    assert torch.equal(image, before), "the source was written to"
    assert len(truth.boxes) > len(target.boxes)
    covered = torch.zeros(SIDE, SIDE, dtype=torch.int)
    for x1, y1, x2, y2 in truth.boxes.int().tolist():
        covered[y1:y2, x1:x2] += 1
    assert int(covered.max()) == 1
    assert torch.equal(changed[0] > 240, covered == 1)
    sides = {int(label): set() for label in target.labels}
    for box, label in zip(target.boxes, target.labels, strict=True):
        sides[int(label)].add(tuple((box[2:] - box[:2]).int().tolist()))
    for box, label in zip(truth.boxes, truth.labels, strict=True):
        assert tuple((box[2:] - box[:2]).int().tolist()) in sides[int(label)]


@pytest.mark.parametrize(
    "boxes",
    [
        [(20, 20, 70, 70)],
        [(30, 30, 40, 40), (41, 30, 50, 40)],
        [(0, 40, 8, 48)],
        [],
    ],
    ids=["large", "touching", "cut by the border", "none"],
)
def test_what_must_not_be_copied_stays_alone(boxes: list[tuple[int, int, int, int]]):
    image, target = drawn(boxes)
    changed, truth = pasted(image, target, np.random.default_rng(0))
    assert torch.equal(changed, image)
    assert torch.equal(truth.boxes, target.boxes)


def test_unknown_ground_stays_unknown_where_it_is_copied():
    """The patch may hold unlabelled objects of a muted class: it is muted where it lies."""
    image, target = drawn([(40, 40, 50, 50)])
    target = Target(
        target.boxes, target.labels, torch.tensor([[30.0, 30, 60, 60]]),
        torch.tensor([[False, True]]),
    )  # fmt: skip
    _, truth = pasted(image, target, np.random.default_rng(0))
    copies = truth.boxes[1:]
    assert len(copies) == 2
    assert truth.mute_classes.tolist() == [[False, True]] * 3
    for copy, muted in zip(copies, truth.mute_boxes[1:], strict=True):
        assert bool((muted[:2] < copy[:2]).all()) and bool((muted[2:] > copy[2:]).all())


def test_masks_turn_with_their_copies():
    """A mask of a half is mirrored as its pixels are."""
    image, target = drawn([(40, 40, 52, 50)])
    image[:, 40:50, 46:52] = 20
    masks = torch.zeros(1, 4, 4, dtype=torch.int8)
    masks[:, :, :2] = 1
    target = Target(target.boxes, target.labels, target.mute_boxes, target.mute_classes, masks)
    changed, truth = pasted(image, target, np.random.default_rng(1))
    assert truth.masks is not None and len(truth.masks) == 3
    for box, mask in zip(truth.boxes.int().tolist(), truth.masks, strict=True):
        x1, y1, x2, y2 = box
        left = bool((changed[0, y1:y2, x1 : x1 + 6] > 240).all())
        assert left == bool((mask[:, :2] == 1).all())
        assert left != bool((changed[0, y1:y2, x2 - 6 : x2] > 240).all())
