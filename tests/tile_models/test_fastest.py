"""The trial: the fastest of those that are right, once for each model and machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from smalldet.detections import Detections
from smalldet.models.seen import NOTHING_KNOWN
from smalldet.tile_models.fastest import fastest
from smalldet.tile_models.protocol import TileModel

CPU = torch.device("cpu")


class Timed:
    """Finds one box where it is told to, in a time of its own."""

    class_names = ("dot",)
    in_channels, stride, least_px, tile_px, conf = 3, 16, 1, 32, 0.25
    fingerprint, seen = "timed", NOTHING_KNOWN
    finds_masks = False

    def __init__(self, runtime: str, seconds: float, x: float = 4.0) -> None:
        self.runtime, self.seconds, self.x = runtime, seconds, x

    def batch_size(self, height: int, width: int) -> int:
        return 1

    def detect(self, images: Tensor, conf: float, max_detections: int) -> list[Detections]:
        time.sleep(self.seconds)
        box = torch.tensor([[self.x, 4.0, self.x + 8, 12.0]])
        return [Detections(box, torch.tensor([0.9]), torch.zeros(1, dtype=torch.long), ("dot",))]


def opener(model: Timed) -> tuple[str, Callable[[], TileModel]]:
    return model.runtime, lambda: model


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SMALLDET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refusing() -> TileModel:
    raise ValueError("cannot")


def test_the_fastest_that_is_right_is_taken_and_said(cache: Path) -> None:
    """What is faster still but finds something else never is; what cannot open is passed over."""
    slow, fast, wrong = Timed("slow", 0.02), Timed("fast", 0.0), Timed("wrong", 0.0, x=20.0)
    said: list[str] = []
    openers = [opener(slow), ("broken", refusing), opener(wrong), opener(fast)]
    assert fastest(openers, "key", CPU, said.append) is fast
    assert len(said) == 1 and said[0].startswith("fast is fastest here")
    assert "slow 2" in said[0] and "wrong" not in said[0]
    # the second time nothing is tried or said
    openers = [("slow", refusing), ("broken", refusing), ("wrong", refusing), opener(fast)]
    assert fastest(openers, "key", CPU, said.append) is fast
    assert len(said) == 1


def test_another_model_or_set_of_runtimes_is_tried_anew(cache: Path) -> None:
    one, other = opener(Timed("one", 0.0)), opener(Timed("other", 0.01))
    said: list[str] = []
    fastest([one, other], "key", CPU, said.append)
    fastest([one, other], "another key", CPU, said.append)
    fastest([one], "key", CPU, said.append)
    assert len(said) == 3
    assert len(list((cache / "trials").iterdir())) == 3


@pytest.mark.parametrize("note", ["", "{", "[]", '{"runtime": "gone"}', '{"runtime": "other"}'])
def test_a_note_that_is_damaged_or_out_of_date_is_made_again(cache: Path, note: str) -> None:
    """`other` was chosen once and cannot open the model any more."""
    one = Timed("one", 0.0)
    openers = [opener(one), ("other", refusing)]
    fastest(openers, "key", CPU, lambda _: None)
    (path,) = (cache / "trials").iterdir()
    path.write_text(note)
    assert fastest(openers, "key", CPU, lambda _: None) is one
    assert json.loads(path.read_text())["runtime"] == "one"


def test_a_model_that_the_first_cannot_open_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot"):
        fastest([("first", refusing), opener(Timed("one", 0.0))], "key", CPU, lambda _: None)


def test_a_cache_that_cannot_be_written_stops_nothing(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    one = Timed("one", 0.0)
    assert fastest([opener(one)], "key", CPU, lambda _: None) is one
