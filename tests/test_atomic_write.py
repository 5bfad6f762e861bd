"""A full disk ends in one error that names the file, and leaves nothing half written."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from affine import Affine
from PIL import Image
from rasterio.crs import CRS

from smalldet.atomic_write import atomic_write
from smalldet.detections import Detections, TileDetections
from smalldet.evaluation.worst import save_picture
from smalldet.inference.prediction_checkpoint import PredictionCheckpoint
from smalldet.inference.results import Result
from smalldet.inference.writers import write
from smalldet.models.checkpoints.loaded_model import LoadedModel
from smalldet.models.checkpoints.read_model import write_model
from smalldet.models.rcnn.faster_rcnn import FasterRcnnConfig
from smalldet.models.yolo.config import YoloConfig
from smalldet.training.ema import Ema
from smalldet.training.state import Progress, save_state

resource = pytest.importorskip("resource")
YOLO = YoloConfig(network="yolov3-tiny")
NUM = 400


@contextmanager
def files_of_at_most(size: int) -> Generator[None]:
    """The system refuses to write more to any file, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def result() -> Result:
    boxes = torch.rand((NUM, 4), generator=torch.Generator().manual_seed(0)) * 500
    boxes[:, 2:] += boxes[:, :2]
    found = Detections(boxes, torch.ones(NUM), torch.zeros(NUM, dtype=torch.long), ("a",))
    pixels = np.random.default_rng(0).integers(0, 255, (900, 900), dtype=np.uint8)
    place = Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)
    return Result("s.tif", pixels, (1, 1, 1), 900, 900, CRS.from_epsg(32633), place, found)


def results_to(name: str) -> Callable[[Path], object]:
    found = result()
    return lambda folder: write(folder / name, [found])


def model_to(name: str, config: Any) -> Callable[[Path], object]:
    model = LoadedModel(config.build(("a",), 64), config)
    return lambda folder: write_model(folder / name, model)


def state() -> Callable[[Path], object]:
    detector = YOLO.build(("a",), 64)
    optimiser = torch.optim.AdamW(detector.parameters())
    return lambda folder: save_state(
        folder / "resume.safetensors", detector, Ema(detector, 0.9), optimiser, Progress()
    )


def part(folder: Path) -> None:
    checkpoint = PredictionCheckpoint(folder, {"model": "m"})
    found = result().detections
    rows = torch.zeros(NUM, dtype=torch.long)
    cut, tiles = torch.zeros((NUM, 4), dtype=torch.bool), torch.zeros((1, 4), dtype=torch.long)
    checkpoint.note(
        TileDetections(found.boxes, found.scores, found.labels, rows, cut, tiles, ("a",)), 1
    )
    checkpoint.flush()


def picture(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (500, 500, 3), dtype=np.uint8)
    with atomic_write(folder / "worst_01.jpg") as draft:
        save_picture(draft, Image.fromarray(noise))


WRITERS: dict[str, Callable[[], Callable[[Path], object]]] = {
    **{
        suffix: lambda suffix=suffix: results_to(f"x{suffix}")
        for suffix in (".geojson", ".gpkg", ".json", ".csv", ".txt", ".png", ".jpg")
    },
    "folder": lambda: results_to("out/"),
    ".safetensors": lambda: model_to("x.safetensors", YOLO),
    ".weights": lambda: model_to("x.weights", YOLO),
    ".pth": lambda: model_to(
        "x.pth", FasterRcnnConfig(network="fasterrcnn_mobilenet_v3_large_fpn")
    ),
    "state": state,
    "part": lambda: part,
    "picture": lambda: picture,
}


@pytest.mark.parametrize("size", [0, 1000, 8192])
@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_left_half_written(tmp_path: Path, name: str, size: int) -> None:
    if name == "part" and size > 1000:
        size = 2000  # it is a small file
    write_all = WRITERS[name]()
    with files_of_at_most(size), pytest.raises(OSError) as caught:
        write_all(tmp_path)
    assert type(caught.value) is OSError and caught.value.errno == errno.EFBIG
    assert str(tmp_path) in str(caught.value) and ".part" not in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_file_that_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with files_of_at_most(2), pytest.raises(OSError, match=r"a\.txt"), atomic_write(path) as draft:
        draft.write_text("newer")
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_errors_of_other_files_keep_their_names(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError, match=r"other\.png"),
        atomic_write(tmp_path / "a.txt"),
    ):
        (tmp_path / "other.png").read_bytes()
