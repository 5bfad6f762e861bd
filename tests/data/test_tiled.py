"""Tiles: drawn from (seed, epoch, position) alone, and their labels stay on the objects."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from smalldet.data.index import ImageRecord, Index
from smalldet.data.loading import loader
from smalldet.data.options import Augmentation, Sampling
from smalldet.data.tiled import TiledDataset
from smalldet.geometry.oriented import canonical, enclosing_boxes, points_in_frames

TILE_PX = 96
BRIGHT = 250
DARK = 30
MOSAICS, NO_MOSAICS = Augmentation(mosaic_prob=1.0), Augmentation(mosaic_prob=0.0)


def drawn_record(
    path: Path, image_id: int, boxes: list[list[int]], size: tuple[int, int] = (260, 200), **fields
) -> ImageRecord:
    """A dark picture with a bright rectangle for each box."""
    pixels = np.full((size[1], size[0], 3), DARK, dtype=np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = BRIGHT
    pixels[-1, 0] = (DARK, DARK, DARK + 1)  # not grey, so that three bands are kept
    Image.fromarray(pixels).save(path)
    num = len(boxes)
    flags = {name: np.zeros(num, dtype=bool) for name in ("ignore", "difficult")}
    return ImageRecord(
        path=path,
        width=size[0],
        height=size[1],
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        labels=np.arange(num, dtype=np.int64) % 2,
        image_id=image_id,
        **{**flags, **fields},
    )


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Pictures with bright squares far apart, one without any."""
    folder = tmp_path_factory.mktemp("squares")
    spread = [[20, 30, 40, 52], [150, 40, 190, 60], [90, 140, 110, 155], [220, 150, 232, 170]]
    corners = [[0, 0, 25, 18], [230, 170, 260, 200]]
    return Index(
        ("a", "b"),
        (
            drawn_record(folder / "0.png", 0, spread),
            drawn_record(folder / "1.png", 1, corners),
            drawn_record(folder / "2.png", 2, []),
        ),
    )


def same(first, second) -> bool:
    (image_a, a), (image_b, b) = first, second
    fields = ("boxes", "labels", "mute_boxes", "mute_classes")
    return torch.equal(image_a, image_b) and all(
        torch.equal(getattr(a, name), getattr(b, name)) for name in fields
    )


@pytest.mark.parametrize("mosaic_prob", [0.0, 1.0])
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**31))
def test_boxes_stay_on_their_objects(squares: Index, mosaic_prob: float, seed: int):
    """Scale, window, flip, turn and mosaic: every box ends where the bright pixels end."""
    tiles = TiledDataset(
        squares,
        tile_px=TILE_PX,
        train=True,
        seed=seed,
        sampling=Sampling(min_visible_frac=0.0),
        augmentation=Augmentation(mosaic_prob=mosaic_prob, photometric=False),
    )
    image, target = tiles[0]
    assert image.shape == (3, TILE_PX, TILE_PX) and image.dtype == torch.uint8
    assert bool((target.boxes >= 0).all()) and bool((target.boxes <= TILE_PX).all())
    bright = image[0] > (BRIGHT + 114) / 2
    covered = torch.zeros_like(bright)
    both = torch.cat([target.boxes, target.mute_boxes])
    for x1, y1, x2, y2 in both.tolist():
        covered[max(int(y1 - 1.5), 0) : int(y2 + 2.5), max(int(x1 - 1.5), 0) : int(x2 + 2.5)] = True
        inner = bright[int(y1 + 1.5) : int(y2 - 1.5) + 1, int(x1 + 1.5) : int(x2 - 1.5) + 1]
        if x2 - x1 > 4 and y2 - y1 > 4:
            assert bool(inner[:-1, :-1].all()), "a box reaches over dark ground"
    assert not bool((bright & ~covered).any()), "bright pixels lie outside every box"


def test_a_tile_depends_on_seed_epoch_and_position_only(squares: Index):
    first = TiledDataset(squares, tile_px=TILE_PX, train=True, seed=3)
    second = TiledDataset(squares, tile_px=TILE_PX, train=True, seed=3)
    forward = [first[i] for i in range(8)]
    torch.manual_seed(1)
    backward = [second[i] for i in reversed(range(8))][::-1]
    assert all(map(same, forward, backward))
    second.set_epoch(1)
    assert not any(same(first[i], second[i]) for i in range(8))
    other = TiledDataset(squares, tile_px=TILE_PX, train=True, seed=4)
    assert not any(same(first[i], other[i]) for i in range(8))


# Python 3.12 warns of every fork beside torch's threads, which torch takes care of itself.
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # where one core is given
def test_running_workers_see_epoch_and_mosaic(squares: Index):
    """Batches of workers that live on equal those of one process, through changes of both."""

    def passes(num_workers: int) -> list:
        tiles = TiledDataset(
            squares,
            tile_px=64,
            train=True,
            seed=5,
            sampling=Sampling(tiles_per_epoch=8),
            augmentation=MOSAICS,
        )
        batches = loader(tiles, 4, num_workers=num_workers)
        drawn = []
        for epoch, mosaic_end in [(0, 8), (1, 8), (1, 4)]:
            tiles.set_epoch(epoch)
            tiles.end_mosaic_at(mosaic_end)
            for images, targets in batches:
                drawn += list(zip(images, targets, strict=True))
        return drawn

    alone, shared = passes(0), passes(2)
    assert len(alone) == len(shared) == 24
    assert all(map(same, alone, shared))
    assert list(map(same, alone[8:16], alone[16:])) == 4 * [True] + 4 * [False]


def test_mosaic_ends_where_it_is_told_to(squares: Index):
    tiles = TiledDataset(squares, tile_px=TILE_PX, train=True, augmentation=MOSAICS)
    plain = TiledDataset(squares, tile_px=TILE_PX, train=True, augmentation=NO_MOSAICS)
    plain.end_mosaic_at(0)
    tiles.end_mosaic_at(4)
    alike = [same(tiles[i], plain[i]) for i in range(8)]
    assert alike == 4 * [False] + 4 * [True]


def test_share_of_empty_tiles(tmp_path: Path):
    """In a large picture with one small object, about `empty_frac` of the tiles miss it."""
    record = drawn_record(tmp_path / "a.png", 0, [[500, 500, 510, 510]], size=(1000, 1000))
    tiles = TiledDataset(
        Index(("a", "b"), (record,)),
        tile_px=64,
        train=True,
        sampling=Sampling(tiles_per_epoch=400, empty_frac=0.3),
        augmentation=Augmentation(mosaic_prob=0.0, photometric=False),
    )
    empty = sum(len(tiles[i][1].boxes) == 0 for i in range(400))
    assert 0.22 < empty / 400 < 0.38


def test_pictures_without_objects_are_drawn_as_negatives(squares: Index):
    alone = Index(squares.class_names, squares.records[2:])
    tiles = TiledDataset(alone, tile_px=TILE_PX, train=True, seed=0)
    assert all(len(tiles[i][1].boxes) == 0 for i in range(6))


def test_unknown_classes_stay_mute_in_their_part_of_a_mosaic(tmp_path: Path):
    known = drawn_record(tmp_path / "a.png", 0, [[50, 50, 70, 70]])
    bright = drawn_record(tmp_path / "b.png", 1, [[0, 0, 260, 200]], unknown=frozenset({1}))
    tiles = TiledDataset(
        Index(("a", "b"), (known, bright)),
        tile_px=TILE_PX,
        train=True,
        sampling=Sampling(scale_jitter=(1.0, 1.0)),
        augmentation=Augmentation(mosaic_prob=1.0, photometric=False),
    )
    num_regions = 0
    for i in range(12):
        image, target = tiles[i]
        muted = torch.zeros(TILE_PX, TILE_PX, dtype=torch.bool)
        whole = target.mute_classes[:, 1] & ~target.mute_classes[:, 0]
        for x1, y1, x2, y2 in target.mute_boxes[whole].round().int().tolist():
            muted[y1:y2, x1:x2] = True
            # The picture that does not know class 1 is bright all over.
            num_regions += 1
            assert float((image[0, y1:y2, x1:x2] == BRIGHT).float().mean()) > 0.98
    assert num_regions > 5


def test_the_grid_covers_every_picture_unchanged(squares: Index):
    tiles = TiledDataset(squares, tile_px=128, train=False, overlap_frac=0.25)
    seen = [tiles[i] for i in range(len(tiles))]
    assert sum(int((image[0] == BRIGHT).sum()) for image, _ in seen) > 0
    labels = {int(label) for _, target in seen for label in target.labels}
    assert labels == {0, 1}
    assert all(same(tiles[i], seen[i]) for i in range(len(tiles)))


def test_a_broken_picture_is_named(tmp_path: Path):
    record = drawn_record(tmp_path / "cut.png", 0, [[50, 50, 70, 70]])
    whole = record.path.read_bytes()
    record.path.write_bytes(whole[: len(whole) // 2])
    tiles = TiledDataset(Index(("a", "b"), (record,)), tile_px=64, train=True)
    with pytest.raises(ValueError, match=r"cut\.png"):
        tiles[0]


def test_labels_made_for_another_size_are_refused(tmp_path: Path):
    record = drawn_record(tmp_path / "a.png", 0, [[50, 50, 70, 70]])
    Image.new("RGB", (130, 100)).save(record.path)
    tiles = TiledDataset(Index(("a", "b"), (record,)), tile_px=64, train=True)
    with pytest.raises(ValueError, match=r"a\.png: is 130x100 pixels"):
        tiles[0]


def test_no_pictures_are_refused():
    with pytest.raises(ValueError, match="no pictures"):
        TiledDataset(Index(("a",), ()), tile_px=64, train=True)


@pytest.fixture
def slanted(tmp_path: Path) -> Index:
    """One picture with bright slanted bars, apart from each other."""
    picture = np.zeros((300, 300), dtype=np.uint8)
    rows = []
    for i, (cx, cy) in enumerate((x, y) for x in (50, 150, 250) for y in (50, 150, 250)):
        rows.append((cx, cy, 34, 10, math.radians(20 * i - 90)))
    rboxes = np.array(rows, dtype=np.float32)
    y, x = np.mgrid[:300, :300] + 0.5
    for cx, cy, w, h, angle in rows:
        along = (x - cx) * math.cos(angle) + (y - cy) * math.sin(angle)
        across = (y - cy) * math.cos(angle) - (x - cx) * math.sin(angle)
        picture[(abs(along) <= w / 2) & (abs(across) <= h / 2)] = 255
    Image.fromarray(picture).save(tmp_path / "bars.png")
    num = len(rows)
    record = ImageRecord(
        path=tmp_path / "bars.png",
        width=300,
        height=300,
        boxes=enclosing_boxes(torch.from_numpy(rboxes)).numpy(),
        labels=np.zeros(num, dtype=np.int64),
        ignore=np.zeros(num, dtype=bool),
        difficult=np.zeros(num, dtype=bool),
        image_id=1,
        rboxes=rboxes,
    )
    return Index(("bar",), (record,))


@pytest.mark.parametrize("rotate_prob", [0.0, 1.0])
def test_oriented_boxes_lie_on_their_objects(slanted: Index, rotate_prob: float):
    """Through windows, turns by any angle, unequal scales, mosaic, mixup, copies and flips: the
    bright pixels of a tile are those within its oriented boxes, but for objects left mute."""
    tiles = TiledDataset(
        slanted,
        tile_px=192,
        train=True,
        sampling=Sampling(tiles_per_epoch=40, scale_jitter=(0.7, 1.5), min_visible_frac=0),
        augmentation=Augmentation(
            photometric=False, mosaic_prob=0.5, copy_paste_prob=0.5, rotate_prob=rotate_prob
        ),
        oriented=True,
    )
    y, x = np.mgrid[:192, :192] + 0.5
    points = torch.from_numpy(np.stack([x, y], axis=-1).reshape(1, -1, 2))
    shares, num_objects = [], 0
    for image, target in tiles:
        assert target.rboxes is not None
        num_objects += len(target.rboxes)
        assert torch.equal(canonical(target.rboxes), target.rboxes)
        local = points_in_frames(points, target.rboxes.double()[:, None]).abs().flatten(1, 2)
        within = (local <= target.rboxes[:, None, 2:4] / 2).all(2).any(0).view(192, 192)
        bright = image[0] > 127
        for x1, y1, x2, y2 in target.mute_boxes.round().int().tolist():
            bright[y1 : y2 + 1, x1 : x2 + 1] = False
            within[y1 : y2 + 1, x1 : x2 + 1] = False
        shares.append(((bright & within).sum() / (bright | within).sum().clamp(min=1)).item())
    assert num_objects > 100
    assert np.mean(shares) > 0.9 and min(shares) > 0.6


def test_oriented_training_wants_oriented_labels(squares: Index):
    with pytest.raises(ValueError, match=r"have no oriented boxes"):
        TiledDataset(squares, tile_px=TILE_PX, train=True, oriented=True)
