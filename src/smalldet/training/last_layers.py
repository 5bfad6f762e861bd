"""The last layers of a detector learn alone first, on features that are computed once.

Where a run starts from a detector of other classes, its last layers know nothing of these, and
what they send back in the first steps spoils features that were good. Alone they learn most of
what they can in some seconds: they are a few thousand weights, and what they read is kept.

Source: Kumar et al. 2022, arXiv 2202.10054.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from smalldet.data.tiled import TiledDataset
from smalldet.models.detector import Detector, Outputs
from smalldet.targets import Target

NUM_STEPS = 100
LR = 3e-3
MOST_TILES = 96
MOST_BYTES = 512 * 1024**2
"""Of features: tiles are fewer where they are large."""

Batch = tuple[Outputs, Tensor, list[Target]]
"""Features, pictures and their targets."""


def fit_last_layers(detector: Detector, tiles: TiledDataset, batch_size: int) -> bool:
    """Steps of the last layers alone; all else stays to the bit, statistics of norms too.

    A class without an object in these tiles keeps what it has: they say of it only where it is not.

    Args:
        detector: on its device; left in eval mode.
        tiles: the first ones are learned from.
        batch_size: tiles a step.

    Returns:
        Whether there was anything to fit: a family that names its last layers, and tiles.
    """
    layers = [detector.get_submodule(name) for name in detector.last_layers]
    weights = [p for layer in layers for p in layer.parameters() if p.requires_grad]
    if not weights:
        return False
    detector.eval()
    batches = list(_kept(detector, tiles, min(batch_size, len(tiles))))
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    optimiser = torch.optim.Adam(weights, lr=LR)
    for step in range(NUM_STEPS):
        features, images, targets = batches[step % len(batches)]
        terms = detector.losses(detector.outputs(features), images, targets)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(terms.values())).sum(), inputs=weights)
        nn.utils.clip_grad_norm_(weights, 10.0)
        optimiser.step()
    seen = torch.cat([target.labels for *_, targets in batches for target in targets])
    _restore_unseen(detector, before, seen.unique().tolist())
    return True


@torch.no_grad()
def _kept(detector: Detector, tiles: TiledDataset, batch_size: int) -> Iterator[Batch]:
    """Batches of the first tiles with their features, as many as fit."""
    device = next(detector.parameters()).device
    num_bytes = 0
    for first in range(0, min(MOST_TILES, len(tiles)) - batch_size + 1, batch_size):
        images, targets = zip(*(tiles[first + i] for i in range(batch_size)), strict=True)
        pictures = torch.stack(images).to(device, memory_format=torch.channels_last)
        features = detector.features(pictures)
        yield features, pictures, [target.to(device) for target in targets]
        num_bytes += sum(feature.nbytes for feature in features)
        if num_bytes * (1 + batch_size / (first + batch_size)) > MOST_BYTES:
            return


@torch.no_grad()
def _restore_unseen(detector: Detector, before: dict[str, Tensor], seen: list[int]) -> None:
    """Give classes that were not seen the outputs that they had."""
    num_classes = len(detector.class_names)
    unseen = [label for label in range(num_classes) if label not in seen]
    for key, value in detector.state_dict().items():
        rows = detector.class_rows(key, num_classes)
        if rows is not None and unseen:
            value[rows[unseen].flatten()] = before[key][rows[unseen].flatten()]
