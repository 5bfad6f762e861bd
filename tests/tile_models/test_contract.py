"""What a Predictor and an evaluation ask of a tile model, whatever computes it.

A new runtime gets a line in `MODELS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.evaluation.evaluate import evaluate
from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor
from smalldet.models.seen import NOTHING_KNOWN
from smalldet.models.speck.config import SpeckConfig
from smalldet.tile_models import TileModel, TorchTileModel

NAMES = ("dot", "blot")
SIDE_PX = 3


class DotsByNumpy:
    """Finds bright dots of 3 px; nothing of it is torch but what it hands over."""

    class_names = NAMES
    in_channels, stride, least_px, tile_px, conf = 3, 16, 1, 64, 0.25
    fingerprint, runtime, seen = "dots", "plain numpy", NOTHING_KNOWN
    finds_masks = False

    def batch_size(self, height: int, width: int) -> int:
        return 2

    def detect(self, images: Tensor, conf: float, max_detections: int) -> list[Detections]:
        return [self._one(image, conf, max_detections) for image in images.numpy()]

    def _one(self, image: NDArray[np.uint8], conf: float, most: int) -> Detections:
        windows = np.lib.stride_tricks.sliding_window_view(image[0], (SIDE_PX, SIDE_PX))
        scores = windows.min(axis=(2, 3)) / 255
        y, x = np.nonzero(scores >= max(conf, 0.5))
        corners = np.stack((x, y, x + SIDE_PX, y + SIDE_PX), axis=1).astype(np.float32)
        detections = Detections(
            torch.from_numpy(corners),
            torch.from_numpy(scores[y, x].astype(np.float32)),
            torch.zeros(len(x), dtype=torch.long),
            NAMES,
        )
        return detections.sorted_by_score(most)


def speck(seed: int = 5) -> TorchTileModel:
    torch.manual_seed(seed)
    config = SpeckConfig(backbone="mobilenetv3_small_050", width=16, strides=(8, 16))
    detector = config.build(list(NAMES), tile_px=64)
    for output in detector.head.class_outputs:
        torch.nn.init.normal_(output.weight)  # scores that differ from place to place,
        torch.nn.init.zeros_(output.bias)  # about a half
    return TorchTileModel(detector, "cpu")


MODELS: list[Callable[[], TileModel]] = [DotsByNumpy, speck]


@pytest.fixture(params=MODELS, ids=["numpy", "torch"])
def model(request: pytest.FixtureRequest) -> TileModel:
    return request.param()


@pytest.fixture
def tiles() -> Tensor:
    """Two tiles of 32 x 48 px: noise with dots in it."""
    tiles = torch.from_numpy(np.random.default_rng(0).integers(0, 90, (2, 3, 32, 48), np.uint8))
    for i in range(8):
        tiles[:, :, 8 : 8 + SIDE_PX, 6 * i : 6 * i + SIDE_PX] = 150 + 10 * i
    return tiles


@pytest.fixture
def scene() -> NDArray[np.uint8]:
    """Noise of 150 x 200 px with dots in it that do not touch."""
    scene = np.random.default_rng(1).integers(0, 90, (150, 200, 3), np.uint8)
    for x in range(5, 195, 15):
        for y in range(5, 145, 15):
            scene[y : y + SIDE_PX, x : x + SIDE_PX] = 130 + (x * y) % 120
    return scene


def test_it_says_what_it_takes_and_gives(model: TileModel) -> None:
    assert model.class_names == NAMES
    assert min(model.in_channels, model.stride, model.tile_px) >= 1
    assert 0 <= model.conf <= 1
    assert model.fingerprint and model.fingerprint == model.fingerprint
    assert model.runtime
    assert model.batch_size(64, 64) >= 1 and model.batch_size(10_000, 10_000) >= 1


def test_detections_are_of_each_tile_strongest_first(model: TileModel, tiles: Tensor) -> None:
    before = tiles.clone()
    for detections in model.detect(tiles, 0.1, 5):
        assert detections.class_names == NAMES
        assert detections.boxes.device.type == "cpu"
        assert 0 < len(detections) <= 5
        scores = detections.scores.tolist()
        assert min(scores) >= 0.1 and scores == sorted(scores, reverse=True)
    assert torch.equal(tiles, before)


def test_a_tile_alone_gives_what_it_gives_in_a_batch(model: TileModel, tiles: Tensor) -> None:
    together = model.detect(tiles, 0.1, 50)
    for tile, detections in zip(tiles, together, strict=True):
        (alone,) = model.detect(tile[None], 0.1, 50)
        assert len(alone) == len(detections)
        assert torch.allclose(alone.scores, detections.scores, atol=0.02)


def test_nothing_scores_over_all(model: TileModel) -> None:
    (detections,) = model.detect(torch.zeros((1, 3, 64, 64), dtype=torch.uint8), 1.0, 10)
    assert len(detections) == 0 and detections.class_names == NAMES


def test_a_predictor_works_on_it(
    model: TileModel, scene: NDArray[np.uint8], tmp_path: Path
) -> None:
    options = PredictOptions(conf=0.5, overlap_frac=0.4)
    detections = Predictor(model, options).predict(scene, checkpoint=tmp_path / "run")
    assert len(detections) > 0
    seen: list[int] = []
    again = Predictor(model, options).predict(
        scene, checkpoint=tmp_path / "run", on_progress=lambda done, total: seen.append(done)
    )
    assert torch.equal(again.boxes, detections.boxes)
    scouted = Predictor(model, PredictOptions(conf=0.5, scout=True, scales=(1, 2))).predict(scene)
    assert scouted.class_names == NAMES


def test_a_predictor_finds_every_dot_without_torch(scene: NDArray[np.uint8]) -> None:
    detections = Predictor(DotsByNumpy(), PredictOptions(overlap_frac=0.4)).predict(scene)
    places = {(int(x), int(y)) for x, y in detections.boxes[:, :2].tolist()}
    assert places == {(x, y) for x in range(5, 195, 15) for y in range(5, 145, 15)}


def test_an_evaluation_measures_it(
    model: TileModel, scene: NDArray[np.uint8], tmp_path: Path
) -> None:
    Image.fromarray(scene).save(tmp_path / "a.png")
    boxes = np.array([[5, 5, 8, 8], [20, 5, 23, 8]], dtype=np.float32)
    no = np.zeros(2, dtype=np.bool_)
    record = ImageRecord(tmp_path / "a.png", 200, 150, boxes, np.zeros(2, np.int64), no, no, 1)
    report = evaluate(model, Index(("dot",), (record,)))
    assert report.conf == model.conf
    assert report.metrics["recall"] == 1 or not isinstance(model, DotsByNumpy)
