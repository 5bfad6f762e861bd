"""RayWorkers: the workers of a Ray cluster, one for a GPU or a group of cores.

Plain actors and not Ray Data: that retries what a killed worker had in hand for ever, so that one
scene that ends its process stops the whole archive. Here each unit's losses are counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import RayError, RaySystemError, RayTaskError

from smalldet.archives.handout import Handout
from smalldet.archives.messages import Unit
from smalldet.archives.options import ArchiveOptions
from smalldet.archives.ray_cluster import connect, first_line, leave_without_head
from smalldet.archives.worker import SceneWorker, WorkerSetup

POLL_S = 5.0
ROOM_EVERY_S = 30.0
MAX_FAILED_STARTS = 5


@dataclass
class Hand:
    """A worker.

    Args:
        actor: its process.
        unit: what it does; None while it makes ready, or waits.
        ready: whether it can be given units.
    """

    actor: Any
    unit: Unit | None = None
    ready: bool = False


class RayWorkers:
    """Starts workers, gives them units, and replaces those that end.

    Args:
        options: which cluster, and how many workers of how many cores.
        device: `auto`, `cpu` or `cuda`; with the first, a worker gets a GPU where the cluster has
            any.

    Raises:
        ConnectionError: no cluster answers.
        ValueError: the device is one of several.
    """

    def __init__(self, options: ArchiveOptions, device: str) -> None:
        if device not in ("auto", "cpu", "cuda", "mps"):
            raise ValueError(f"device {device!r}: Ray gives each worker one; choose auto or cpu")
        self._options = options
        self._head = connect(options)
        resources = ray.cluster_resources()
        self.num_gpus = 1 if device in ("auto", "cuda") and resources.get("GPU", 0) >= 1 else 0
        self.num_cpus = options.worker_cpus or _usual_cpus(resources, self.num_gpus)
        self._room, self._room_known_s = self._room_now(), time.monotonic()
        self._hands: list[Hand] = []
        self._busy: dict[Any, Hand] = {}
        self._failed_starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, ConnectionError) and self._head.is_gone():
            leave_without_head()
            return
        for hand in self._hands:
            _end(hand)
        ray.shutdown()

    @property
    def num_ready(self) -> int:
        """Workers that can be given units."""
        return sum(hand.ready for hand in self._hands)

    def open_first(self, setup: WorkerSetup) -> dict[str, str]:
        """Let one worker open the model, and choose its runtime for all.

        Returns:
            {what: value} that all results depend on.

        Raises:
            FileNotFoundError, ValueError: as `SceneWorker.open`, or workers end before that.
        """
        while True:
            hand = self._started()
            try:
                self._facts, packed = ray.get(hand.actor.open.remote(setup))
            except RayTaskError as error:
                raise _cause(error) from error
            except RaySystemError:
                raise
            except RayError as error:
                self._replaceable(hand, error)
                continue
            hand.ready = True
            self._setup = ray.put(replace(setup, model=packed))
            return self._facts

    def work(self, handout: Handout, on_progress: Callable[[], None]) -> None:
        """Do all units.

        Args:
            handout: gives them.
            on_progress: called after each answer, and every few seconds.

        Raises:
            ConnectionError: the cluster went away.
            ValueError: a worker cannot be made ready, or would give other results.
            OSError: results cannot be written.
        """
        on_progress()
        try:
            while not handout.finished:
                if self._head.listens():
                    self._fit(handout)
                    for hand in self._hands:
                        if hand.ready and hand.unit is None:
                            self._give(hand, handout)
                done, _ = ray.wait(list(self._busy), num_returns=1, timeout=POLL_S)
                for ref in done:
                    self._settle(ref, handout)
                on_progress()
        except (ConnectionError, RaySystemError) as error:
            raise ConnectionError(
                f"the Ray cluster went away ({first_line(error)}); what is written stays, and the "
                "same command goes on"
            ) from error

    def _give(self, hand: Hand, handout: Handout) -> None:
        hand.unit = handout.next(len(self._hands))
        if hand.unit is not None:
            self._busy[hand.actor.work.remote(hand.unit)] = hand

    def _settle(self, ref: Any, handout: Handout) -> None:
        hand = self._busy.pop(ref)
        unit = hand.unit
        try:
            answer: Any = ray.get(ref)
        except RaySystemError:
            raise
        except RayError as error:
            if unit is None and isinstance(error, RayTaskError):
                raise _cause(error) from error
            self._replaceable(hand, error)
            if unit is not None:
                blameless = bool(getattr(error, "preempted", False))
                handout.lost(unit, _reason(error), blameless=blameless)
            return
        hand.unit = None
        if unit is not None:
            handout.answered(unit, answer)
            return
        facts, _ = answer
        differing = [key for key in facts if facts[key] != self._facts.get(key)]
        if differing:
            both = ", ".join(f"{key} {facts[key]}, not {self._facts.get(key)}" for key in differing)
            raise ValueError(
                f"a worker would give other results: {both}; let all be alike by --backend and "
                "--device"
            )
        hand.ready, self._failed_starts = True, 0

    def _fit(self, handout: Handout) -> None:
        """Start workers where there is room and work for them."""
        now = time.monotonic()
        if now - self._room_known_s > ROOM_EVERY_S:
            self._room, self._room_known_s = self._room_now(), now
        wanted = min(self._room, len(self._busy) + handout.num_waiting)
        for _ in range(wanted - len(self._hands)):
            hand = self._started()
            self._busy[hand.actor.open.remote(self._setup)] = hand

    def _started(self) -> Hand:
        options = {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus}
        actor = ray.remote(SceneWorker).options(**options, max_restarts=0, max_task_retries=0)
        hand = Hand(actor.remote())
        self._hands.append(hand)
        return hand

    def _replaceable(self, hand: Hand, error: RayError) -> None:
        """Take a worker out that ended, and tell if all do before they are ready."""
        self._hands.remove(hand)
        _end(hand)
        if not hand.ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                raise ValueError(f"workers end before they are ready: {_reason(error)}") from error

    def _room_now(self) -> int:
        if self._options.num_workers is not None:
            return self._options.num_workers
        resources = ray.cluster_resources()
        num = int(resources.get("CPU", 0)) // self.num_cpus
        return max(1, min(num, int(resources.get("GPU", 0))) if self.num_gpus else num)


def _usual_cpus(resources: Mapping[str, float], num_gpus: int) -> int:
    if not num_gpus:
        return 1
    return max(1, int(resources.get("CPU", 1) // resources["GPU"]))


def _end(hand: Hand) -> None:
    with suppress(Exception):  # it has ended, or the cluster has
        ray.kill(hand.actor)


def _cause(error: RayTaskError) -> Exception:
    """What was raised in a worker, where a person can mend it."""
    cause = error.cause
    return cause if isinstance(cause, ValueError | OSError) else error


def _reason(error: RayError) -> str:
    """What became of a worker, in a line."""
    cause = error.cause if isinstance(error, RayTaskError) else None
    return first_line(error if cause is None else cause)
