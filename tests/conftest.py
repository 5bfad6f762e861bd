"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def few_threads() -> None:
    """Small tensors only lose time on many threads; OMP_NUM_THREADS=1 still wins."""
    torch.set_num_threads(min(2, torch.get_num_threads()))


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of real pictures and weights that are no part of the project."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("SMALLDET_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no real pictures: {folder} is no folder (SMALLDET_SHARED names another)")
    return folder
