"""Repeat factors: rare classes come oftener, the others as before."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalldet.data.index import ImageRecord, Index
from smalldet.data.options import Augmentation, Sampling
from smalldet.data.repeating import repeat_factors
from smalldet.data.tiled import TiledDataset


@pytest.fixture
def rare(tmp_path: Path) -> Index:
    """Sixteen pictures with an object of class 0; one of them has one of class 1 as well."""
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    common = ImageRecord(
        tmp_path / "a.png", 64, 64, np.array([[8, 8, 16, 16]], np.float32),
        np.zeros(1, np.int64), np.zeros(1, bool), np.zeros(1, bool), image_id=0,
    )  # fmt: skip
    two = replace(
        common,
        boxes=np.array([[8, 8, 16, 16], [40, 40, 48, 48]], np.float32),
        labels=np.array([0, 1]),
        ignore=np.zeros(2, bool),
        difficult=np.zeros(2, bool),
    )
    return Index(("common", "rare"), (two, *[common] * 15))


def test_factors_follow_the_formula(rare: Index):
    np.testing.assert_allclose(repeat_factors(rare, 0.0), [1, 1])
    np.testing.assert_allclose(repeat_factors(rare, 0.25), [1, 2])
    never = Index((*rare.class_names, "absent"), rare.records)
    assert np.isfinite(repeat_factors(never, 0.25)).all()


def test_rare_objects_are_drawn_oftener(rare: Index):
    """By the factor for the picture, and by the factor among its objects."""

    def share(threshold: float) -> float:
        tiles = TiledDataset(
            rare, tile_px=32, train=True,
            sampling=Sampling(
                tiles_per_epoch=600, empty_frac=0.0, scale_jitter=(1.0, 1.0),
                repeat_threshold=threshold,
            ),
            augmentation=Augmentation(mosaic_prob=0.0, photometric=False),
        )  # fmt: skip
        return float(np.mean([1 in tiles[i][1].labels for i in range(600)]))

    plain, oftener = share(0.0), share(1.0)
    # Two windows of the one picture (it has two objects) to one of each other: 2/17 of all, half
    # of them around the rare object; with a factor of 4: 8/23 of all, four fifths of them.
    assert plain == pytest.approx(2 / 17 / 2, abs=0.03)
    assert oftener == pytest.approx(8 / 23 * 4 / 5, abs=0.05)
