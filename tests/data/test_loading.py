"""Loading: the batches of an epoch, and going on after a stop."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from smalldet.data.index import ImageRecord, Index
from smalldet.data.loading import EpochSampler, loader
from smalldet.data.options import Sampling
from smalldet.data.tiled import TiledDataset


@pytest.fixture
def tiles(tmp_path: Path) -> TiledDataset:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)).save(
        tmp_path / "a.png"
    )
    record = ImageRecord(
        tmp_path / "a.png", 200, 200, np.array([[20, 20, 40, 40]], np.float32),
        np.zeros(1, np.int64), np.zeros(1, bool), np.zeros(1, bool), image_id=0,
    )  # fmt: skip
    sampling = Sampling(tiles_per_epoch=22)
    return TiledDataset(Index(("a",), (record,)), tile_px=32, train=True, sampling=sampling)


def test_batches(tiles: TiledDataset):
    batches = list(loader(tiles, 4))
    assert len(batches) == 5, "a last batch that is not whole is dropped"
    for images, targets in batches:
        assert images.shape == (4, 3, 32, 32) and images.dtype == torch.uint8
        assert len(targets) == 4


def test_an_epoch_goes_on_where_it_stopped(tiles: TiledDataset):
    batches = loader(tiles, 4)
    tiles.set_epoch(2)
    whole = [images for images, _ in batches]
    assert isinstance(batches.sampler, EpochSampler)
    batches.sampler.start_at(3 * 4)
    rest = [images for images, _ in batches]
    assert len(rest) == 2
    assert all(map(torch.equal, whole[3:], rest))
    assert len(list(batches)) == 5, "the next pass is whole again"


def test_epochs_draw_tiles_of_their_own(tiles: TiledDataset):
    batches = loader(tiles, 4)
    first = [images for images, _ in batches]
    tiles.set_epoch(1)
    assert not any(map(torch.equal, first, [images for images, _ in batches]))


def test_an_epoch_of_no_batch_is_refused(tiles: TiledDataset):
    with pytest.raises(ValueError, match="22 tiles makes no batch of 23"):
        loader(tiles, 23)
