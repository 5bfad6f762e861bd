"""What all tests share."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

from smalldet.cli import main
from tests.parity.outcomes import Outcome, Tally

# One thread a process, commands that tests start included: tests run side by side, and the order of
# near-equal scores does not depend on how a sum was shared out.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)
# No trial of runtimes: it takes seconds for every model that a test makes.
os.environ["SMALLDET_BACKEND"] = "torch"
# A busy machine is no failure.
settings.register_profile("smalldet", deadline=None)
settings.load_profile("smalldet")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--parity-report",
        type=Path,
        metavar="FILE",
        help="write how far models were from their peers: [{model, peer, measure, error}, ...]",
    )


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # not in processes of xdist
        return
    config.pluginmanager.register(OutcomeReport())
    path = config.getoption("--parity-report")
    if path is not None:
        config.pluginmanager.register(ParityReport(path))


class ParityReport:
    """Gathers what `record_parity` noted, in whatever process, and writes it at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.errors: dict[tuple[str, ...], float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, row in report.user_properties if report.when == "call" else ():
            if name == "parity":
                *key, error = cast("list[Any]", row)
                self.errors[tuple(key)] = max(error, self.errors.get(tuple(key), 0.0))

    def pytest_sessionfinish(self) -> None:
        rows = [
            {"model": model, "peer": peer, "measure": measure, "error": error}
            for (model, peer, measure), error in sorted(self.errors.items())
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


class OutcomeReport:
    """Gathers what `record_outcomes` noted, in whatever process, and prints it at the end."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, int]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, row in report.user_properties if report.when == "call" else ():
            if name == "outcomes":
                what, counts = cast("tuple[str, dict[str, int]]", row)
                self.counts[what] = counts

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.counts:
            return
        columns = [str(outcome) for outcome in Outcome]
        total = Counter[str]()
        for counts in self.counts.values():
            total.update(counts)
        terminalreporter.section("what became of broken files")
        for what, counts in [("", {}), *sorted(self.counts.items()), ("all", total)]:
            cells = [counts.get(name, 0) if what else name for name in columns]
            row = "".join(
                f"{cell:>{len(name) + 2}}" for cell, name in zip(cells, columns, strict=True)
            )
            terminalreporter.write_line(f"{what:<26}{row}")


@pytest.fixture
def record_outcomes(
    record_property: Callable[[str, object], None],
) -> Callable[[str, Tally], None]:
    """Notes what became of broken files of one kind: `record_outcomes(kind, tally)`."""

    def record(what: str, tally: Tally) -> None:
        record_property("outcomes", [what, {str(one): n for one, n in tally.counts.items()}])

    return record


@pytest.fixture
def record_parity(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Notes the largest error of a comparison: `record_parity(model, peer, measure, error)`.

    Called before what asserts it, so that a failure is noted too. Several errors under the same
    three names, as of several pictures, become one row with the largest.
    """

    def record(model: str, peer: str, measure: str, error: float) -> None:
        record_property("parity", [model, peer, measure, float(error)])

    return record


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


@pytest.fixture
def run_verb(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line; its exit status, and what it says on stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = 0
        try:
            main([*map(str, words)])
        except SystemExit as done:
            status = int(done.code or 0)
        said = capsys.readouterr()
        return status, said.out, " ".join(said.err.split())

    return run
