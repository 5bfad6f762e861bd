"""The one thread that owns the model: batches, turns, ends, and whose fault an error is."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from smalldet.detections import Detections
from smalldet.serving import shared_model
from smalldet.serving.refusals import Refusal, StoppedError
from smalldet.serving.shared_model import Limits, Seat, SharedModel
from tests.inference.conftest import SquareFinder


def tile(value: int, side: int = 32) -> torch.Tensor:
    """(1, 3, side, side) with a square whose score tells the value."""
    image = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    image[:, 0, 4:9, 4:9], image[:, 2, 4:9, 4:9] = 255, value
    return image


class Slow(SquareFinder):
    """Counts batches, and breaks on a value."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.threads: set[int] = set()

    def detect(self, images: torch.Tensor, conf: float, max_detections: int) -> list[Detections]:
        self.threads.add(threading.get_ident())
        self.batches.append(len(images))
        time.sleep(0.01)
        if bool((images[:, 2] == 13).any()):
            raise RuntimeError("unlucky")
        return super().detect(images, conf, max_detections)


def soon() -> Limits:
    return Limits(time.monotonic() + 30)


def test_tiles_of_many_are_computed_together_by_one_thread(monkeypatch) -> None:
    monkeypatch.setattr(shared_model, "GATHERING_S", 0.2)
    model, told = Slow(), []
    shared = SharedModel(model, lambda *batch: told.append(batch))

    def asked(value: int) -> float:
        with Seat(shared, soon(), urgent=True) as seat:
            (found,) = seat.detect(tile(value), 0.0, 10)
            return round(255 * float(found.scores[0]))

    with ThreadPoolExecutor(16) as pool:
        values = list(range(100, 196))
        assert list(pool.map(asked, values)) == values
    shared.close()
    assert len(model.threads) == 1 and threading.get_ident() not in model.threads
    assert sum(model.batches) == 96 and len(model.batches) < 48
    assert sum(tiles for tiles, _, _ in told) == 96 and max(clients for _, clients, _ in told) > 2


def test_tiles_of_other_sizes_or_scores_are_not_mixed() -> None:
    model = Slow()
    shared = SharedModel(model)
    asks = [(tile(200, side), conf) for side in (32, 64) for conf in (0.1, 0.9)] * 4

    def asked(ask: tuple[torch.Tensor, float]) -> int:
        with Seat(shared, soon(), urgent=True) as seat:
            return len(seat.detect(ask[0], ask[1], 10)[0])

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(asked, asks)) == [1, 0, 1, 0] * 4
    shared.close()


def test_a_full_batch_goes_at_once_and_no_batch_is_too_large() -> None:
    class Two(Slow):
        def batch_size(self, height: int, width: int) -> int:
            return 2

    model = Two()
    shared = SharedModel(model)
    with ThreadPoolExecutor(8) as pool:
        seats = [Seat(shared, soon(), urgent=True).__enter__() for _ in range(8)]
        asked = [pool.submit(seat.detect, tile(200), 0.0, 10) for seat in seats]
        assert all(len(one.result()[0]) == 1 for one in asked)
    shared.close()
    assert max(model.batches) == 2 and sum(model.batches) == 8


def test_one_whose_tiles_break_the_model_breaks_for_itself(monkeypatch) -> None:
    monkeypatch.setattr(shared_model, "GATHERING_S", 0.2)
    shared = SharedModel(Slow())

    def asked(value: int) -> object:
        with Seat(shared, soon(), urgent=True) as seat:
            try:
                return len(seat.detect(tile(value), 0.0, 10)[0])
            except RuntimeError as error:
                return str(error)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(asked, [200, 13, 201, 202, 13, 203])) == [
            1,
            "unlucky",
            1,
            1,
            "unlucky",
            1,
        ]
    shared.close()


def test_who_does_not_want_it_any_more_is_stopped() -> None:
    shared = SharedModel(Slow())
    limits = soon()
    limits.stop.set()
    with Seat(shared, limits, urgent=True) as seat, pytest.raises(StoppedError):
        seat.detect(tile(200), 0.0, 10)
    late = Seat(shared, Limits(time.monotonic() - 1), urgent=False)
    with pytest.raises(Refusal, match="longer than this service allows"):
        late.detect(tile(200), 0.0, 10)
    shared.close()
    with Seat(shared, soon(), urgent=True) as seat, pytest.raises(StoppedError):
        seat.detect(tile(200), 0.0, 10)


def test_closing_lets_go_of_all_who_wait() -> None:
    model = Slow()
    shared = SharedModel(model)
    with ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(Seat(shared, soon(), urgent=False).detect, tile(200, 32 * (1 + i)), 0.0, 9)
            for i in range(8)
        ]
        time.sleep(0.015)
        shared.close()
        outcomes = [one.exception() for one in asked]
    assert any(isinstance(error, StoppedError) for error in outcomes)
    assert all(error is None or isinstance(error, StoppedError) for error in outcomes)
