"""One thread that owns the model: tiles of several clients are computed together.

Whoever predicts takes a seat, which is a tile model of its own. What seats ask for waits in two
lines: pictures that a client waits for, and jobs. The first line goes first, so that a large scene
yields to small pictures after every batch of tiles.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import torch
from torch import Tensor

from smalldet.detections import Detections
from smalldet.serving.refusals import Refusal, StoppedError
from smalldet.tile_models import TileModel

GATHERING_S = 0.004
"""A batch that is not full waits so long for tiles of others who are predicting too."""


@dataclass(frozen=True)
class Limits:
    """When work ends early.

    Args:
        deadline_s: of `time.monotonic`.
        stop: set where nobody wants the result any more.
    """

    deadline_s: float
    stop: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raises StoppedError or, behind the deadline, Refusal."""
        if self.stop.is_set():
            raise StoppedError
        if time.monotonic() > self.deadline_s:
            raise Refusal(503, "takes longer than this service allows; ask for a smaller part")


Key = tuple[int, int, float, int]
"""Height, width, confidence, most detections: what tiles of one batch share."""


@dataclass(frozen=True, eq=False)
class Ask:
    """Tiles that wait to be computed."""

    images: Tensor
    key: Key
    limits: Limits
    answer: Future[list[Detections]] = field(default_factory=Future)


OnBatch = Callable[[int, int, float], None]
"""Called with the tiles of a batch, the clients they are of, and its seconds."""


class SharedModel:
    """A tile model that many threads ask and one computes.

    Args:
        model: the tile model; nobody else may use it from now on.
        on_batch: told of every batch.
    """

    def __init__(self, model: TileModel, on_batch: OnBatch = lambda *_: None) -> None:
        self.model, self._on_batch = model, on_batch
        self._changed = threading.Condition()
        self._urgent: deque[Ask] = deque()
        self._patient: deque[Ask] = deque()
        self._num_seats, self._closed = 0, False
        self._owned = threading.Lock()
        self._sizes: dict[tuple[int, int], int] = {}
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    @property
    def num_waiting(self) -> int:
        """Asks that wait."""
        return len(self._urgent) + len(self._patient)

    def close(self) -> None:
        """What waits is stopped; the thread ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def batch_size(self, height: int, width: int) -> int:
        """As the model says; it may have to try."""
        with self._owned:
            key = (height, width)
            if key not in self._sizes:
                self._sizes[key] = self.model.batch_size(height, width)
            return self._sizes[key]

    def detect(self, ask: Ask, urgent: bool) -> list[Detections]:
        """Wait for the detections of some tiles."""
        with self._changed:
            if self._closed:
                raise StoppedError
            (self._urgent if urgent else self._patient).append(ask)
            self._changed.notify_all()
        return ask.answer.result()

    def sit(self, change: int) -> None:
        """So many more, or fewer, ask for pictures that somebody waits for."""
        with self._changed:
            self._num_seats += change

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            if batch:
                self._compute(batch)
        for ask in (*self._urgent, *self._patient):
            ask.answer.set_exception(StoppedError())

    def _next_batch(self) -> list[Ask] | None:
        """Asks of one key, no more tiles than suit the model; None at the end."""
        with self._changed:
            while not (self._urgent or self._patient or self._closed):
                self._changed.wait()
            if self._closed:
                return None
            line = self._urgent or self._patient
            key = line[0].key
        most = self.batch_size(*key[:2])
        with self._changed:
            self._gather(line, key, most)
            return self._taken(line, key, most)

    def _gather(self, line: deque[Ask], key: Key, most: int) -> None:
        """Wait a little where others are about to ask too."""
        until = time.monotonic() + GATHERING_S
        while line is self._urgent and len(line) < self._num_seats:
            tiles = sum(len(ask.images) for ask in line if ask.key == key)
            left_s = until - time.monotonic()
            if tiles >= most or left_s <= 0:
                return
            self._changed.wait(left_s)

    def _taken(self, line: deque[Ask], key: Key, most: int) -> list[Ask]:
        batch: list[Ask] = []
        num_tiles, rest = 0, deque[Ask]()
        while line:
            ask = line.popleft()
            fits = ask.key == key and (not batch or num_tiles + len(ask.images) <= most)
            if not fits:
                rest.append(ask)
                continue
            try:
                ask.limits.check()
            except (Refusal, StoppedError) as error:
                ask.answer.set_exception(error)
                continue
            batch.append(ask)
            num_tiles += len(ask.images)
        line.extend(rest)
        return batch

    def _compute(self, batch: list[Ask]) -> None:
        started_s = time.monotonic()
        images = torch.cat([ask.images for ask in batch]) if len(batch) > 1 else batch[0].images
        _, _, conf, max_detections = batch[0].key
        try:
            with self._owned:
                found = self.model.detect(images, conf, max_detections)
        except Exception as error:  # whatever a runtime raises belongs to who asked
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
                return
            for ask in batch:  # one of them is the reason: the others go without it
                self._compute([ask])
            return
        self._on_batch(len(images), len(batch), time.monotonic() - started_s)
        first = 0
        for ask in batch:
            ask.answer.set_result(found[first : first + len(ask.images)])
            first += len(ask.images)


class Seat:
    """A tile model for one prediction, computed by the shared one; a context manager.

    Args:
        shared: computes.
        limits: when to end early; held against before every batch.
        urgent: a client waits for it.
    """

    def __init__(self, shared: SharedModel, limits: Limits, *, urgent: bool) -> None:
        self._shared, self._limits, self._urgent = shared, limits, urgent
        model = shared.model
        self.class_names, self.in_channels = model.class_names, model.in_channels
        self.stride, self.least_px = model.stride, model.least_px
        self.tile_px, self.conf, self.seen = model.tile_px, model.conf, model.seen
        self.runtime, self.finds_masks = model.runtime, model.finds_masks

    @property
    def fingerprint(self) -> str:
        return self._shared.model.fingerprint

    def batch_size(self, height: int, width: int) -> int:
        return self._shared.batch_size(height, width)

    def detect(self, images: Tensor, conf: float, max_detections: int) -> list[Detections]:
        self._limits.check()
        key = (images.shape[2], images.shape[3], conf, max_detections)
        return self._shared.detect(Ask(images, key, self._limits), self._urgent)

    def __enter__(self) -> Seat:
        if self._urgent:
            self._shared.sit(1)
        return self

    def __exit__(self, *_: object) -> None:
        if self._urgent:
            self._shared.sit(-1)
