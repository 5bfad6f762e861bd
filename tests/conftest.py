"""What all tests share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

# One thread a process, commands that tests start included: tests run side by side, and the order of
# near-equal scores does not depend on how a sum was shared out.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)
# A busy machine is no failure.
settings.register_profile("smalldet", deadline=None)
settings.load_profile("smalldet")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real pictures and weights that are no part of the project."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("SMALLDET_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no real pictures: {folder} is no folder (SMALLDET_SHARED names another)")
    return folder


@pytest.fixture
def draw_set(tmp_path: Path) -> Callable[..., Path]:
    """Draw a labelled set: bright squares of 4 to 14 px (`square`) on noise, as COCO json."""

    def draw(name: str = "train", num_pictures: int = 4, side: int = 96, seed: int = 0) -> Path:
        rng = np.random.default_rng(seed)
        folder = tmp_path / "data"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        images, annotations = [], []
        for number in range(1, num_pictures + 1):
            pixels = rng.integers(20, 70, (side, side, 3), dtype=np.uint8)
            for cell in rng.choice(9, 4, replace=False):
                size = int(rng.integers(4, 15))
                x, y = (int(c) * (side // 3) + int(rng.integers(2, 14)) for c in divmod(cell, 3))
                pixels[y : y + size, x : x + size] = rng.integers(200, 255)
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": 1,
                        "bbox": [x, y, size, size],
                        "area": size * size,
                        "iscrowd": 0,
                    }
                )
            file_name = f"{name}{number}.png"
            Image.fromarray(pixels).save(folder / "images" / file_name)
            images.append({"id": number, "file_name": file_name, "width": side, "height": side})
        categories = [{"id": 1, "name": "square"}]
        path = folder / f"{name}.json"
        content = {"images": images, "annotations": annotations, "categories": categories}
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return draw
