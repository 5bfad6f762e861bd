"""Scenes of bright squares as files, and a worker that finds them without Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rasterio
from PIL import Image

from smalldet.archives.archive_folder import ArchiveFolder
from smalldet.archives.model_files import PackedModel
from smalldet.archives.worker import SceneWorker, WorkerSetup
from smalldet.imagery import ImageryOptions
from smalldet.inference.options import MapOptions, PredictOptions
from smalldet.tile_models import TileModel
from tests.inference.conftest import TRANSFORM, SquareFinder
from tests.inference.conftest import draw_squares as draw_squares
from tests.inference.conftest import make_result as make_result


@dataclass(frozen=True)
class PackedFinder(PackedModel):
    """The finder of squares in the place of a model's files."""

    def opened(self, device: str) -> tuple[TileModel, PackedModel]:
        return SquareFinder(), self


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[ArchiveFolder]:
    with ArchiveFolder(tmp_path / "out") as opened:
        yield opened


@pytest.fixture
def write_scene(draw_squares, tmp_path: Path) -> Callable[..., str]:
    """Writes a scene of squares to a file; a .tif has a place on a map."""

    def written(name: str, width: int = 200, height: int = 150, num: int = 6, **more: Any) -> str:
        path = tmp_path / "scenes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels, _ = draw_squares(width, height, num, **more)
        if path.suffix == ".tif":
            facts = {"driver": "GTiff", "dtype": "uint8", "count": 3}
            place = {"crs": "EPSG:32633", "transform": TRANSFORM}
            with rasterio.open(path, "w", width=width, height=height, **facts, **place) as file:
                file.write(pixels.transpose(2, 0, 1))
        else:
            Image.fromarray(pixels).save(path)
        return str(path)

    return written


@pytest.fixture
def make_worker() -> Callable[..., SceneWorker]:
    def made(tiles_per_unit: int = 1000, **options: Any) -> SceneWorker:
        worker = SceneWorker()
        setup = WorkerSetup(
            model=PackedFinder("squares", {}),
            device="cpu",
            num_threads=1,
            options=PredictOptions.model_validate(options),
            maps=MapOptions(),
            imagery=ImageryOptions(),
            tiles_per_unit=tiles_per_unit,
        )
        worker.open(setup)
        return worker

    return made
