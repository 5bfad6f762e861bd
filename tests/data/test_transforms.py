"""The tables of transforms: what stands in them happens, in their order."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from smalldet.data import transforms
from smalldet.data.index import ImageRecord, Index
from smalldet.data.options import Augmentation, Sampling
from smalldet.data.tiled import TiledDataset
from smalldet.data.transforms import Combination, Transform
from smalldet.targets import Target

ALL = Augmentation(mosaic_prob=0.5, mixup_prob=0.5, copy_paste_prob=0.5)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """One picture of noise with two objects."""
    pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    record = ImageRecord(
        tmp_path / "a.png", 160, 120, np.array([[20, 20, 32, 30], [90, 60, 104, 75]], np.float32),
        np.array([0, 1]), np.zeros(2, bool), np.zeros(2, bool), image_id=0,
    )  # fmt: skip
    return Index(("a", "b"), (record,))


def tiles_of(index: Index, augmentation: Augmentation, seed: int = 0) -> TiledDataset:
    return TiledDataset(
        index,
        tile_px=64,
        train=True,
        seed=seed,
        sampling=Sampling(tiles_per_epoch=16),
        augmentation=augmentation,
    )


def test_a_line_of_the_table_is_all_that_a_transform_needs(
    index: Index, monkeypatch: pytest.MonkeyPatch
):
    def inverted(image: torch.Tensor, target: Target, rng, augmentation):
        assert augmentation is ALL
        return 255 - image, target

    before = [tiles_of(index, ALL)[i] for i in range(4)]
    monkeypatch.setattr(
        transforms, "TRANSFORMS", (*transforms.TRANSFORMS, Transform("inverse", inverted))
    )
    after = [tiles_of(index, ALL)[i] for i in range(4)]
    for (image, target), (changed, same_target) in zip(before, after, strict=True):
        assert torch.equal(255 - image, changed)
        assert torch.equal(target.boxes, same_target.boxes)


def test_combinations_draw_through_those_before_them(index: Index, monkeypatch: pytest.MonkeyPatch):
    """Of tiles of mosaics alone a later combination gets mosaics; none comes after their end."""
    sizes: list[tuple[int, int]] = []

    def twice(draw, size, rng, augmentation):
        draw(size)
        sizes.append(size)
        return draw(size)

    mosaics: list[int] = []
    joined_tiles = transforms.mosaic.__globals__["joined_tiles"]
    monkeypatch.setattr(
        "smalldet.data.mosaic.joined_tiles",
        lambda *args: mosaics.append(1) or joined_tiles(*args),
    )
    monkeypatch.setattr(
        transforms, "COMBINATIONS", (*transforms.COMBINATIONS, Combination("twice", twice))
    )
    tiles = tiles_of(index, Augmentation(mosaic_prob=1.0))
    tiles.end_mosaic_at(1)
    _ = tiles[0], tiles[1]
    assert sizes == [(64, 64)]
    assert len(mosaics) == 2


def test_a_seed_gives_the_tiles_that_it_always_gave(index: Index):
    """The order of the draws is part of every recorded seed."""
    samples = [tiles_of(index, ALL)[i] for i in range(12)]
    assert [len(target.boxes) for _, target in samples] == [3, 5, 3, 1, 1, 4, 3, 2, 5, 3, 7, 2]
    last = torch.stack([samples[i][1].boxes[-1] for i in (0, 1, 5, 8)])
    expected = [
        [24.55, 4.27, 35.45, 14.45],
        [9.93, 21.55, 18.95, 32.33],
        [34.89, 15.2, 42.8, 21.79],
        [48.88, 12.3, 56.12, 20.03],
    ]
    np.testing.assert_allclose(last, expected, atol=0.01)
    brightness = [float(image.float().mean()) for image, _ in samples[:4]]
    np.testing.assert_allclose(brightness, [139.34, 165.2, 83.31, 126.44], atol=0.2)


def test_what_is_switched_off_does_not_happen(index: Index):
    """Without changes of colour, flips and combinations, a tile at scale 1 is a cut of its file."""
    tiles = TiledDataset(
        index,
        tile_px=64,
        train=True,
        sampling=Sampling(tiles_per_epoch=8, scale_jitter=(1.0, 1.0)),
        augmentation=Augmentation(flips=False, rot90=False, photometric=False, mosaic_prob=0.0),
    )
    with Image.open(index.records[0].path) as file:
        picture = np.asarray(file.convert("RGB"))
    windows = np.lib.stride_tricks.sliding_window_view(picture, (64, 64), axis=(0, 1))
    for i in range(8):
        assert (windows == tiles[i][0].numpy()).all(axis=(2, 3, 4)).any()
