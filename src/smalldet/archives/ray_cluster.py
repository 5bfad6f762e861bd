"""Joining a Ray cluster, starting one, and leaving one whose head is gone."""

from __future__ import annotations

import atexit
import logging
import os
import socket
import sys
import time
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError

from smalldet.archives.options import ArchiveOptions

HEAD_EVERY_S = 1.0
HEAD_WAIT_S = 5.0
HEAD_PATIENCE_S = 20.0
"""How long a head may be away. Ray ends the process after 60 s, without a word of ours."""

STORE_BYTES = 256 << 20
"""Shared memory of a Ray that is started here: what goes between processes is small."""


def connect(options: ArchiveOptions) -> Head:
    """Join the cluster that the options name, or start one on this machine.

    Raises:
        ConnectionError: no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if options.workers is None:
        num = options.num_workers
        num_cpus = None if num is None else num * (options.worker_cpus or 1)
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            object_store_memory=STORE_BYTES,
            **quiet,
        )
    else:
        try:
            ray.init(address=options.workers, **quiet)
        except (ConnectionError, RuntimeError, ValueError, RayError) as error:
            raise ConnectionError(
                f"--workers {options.workers}: no Ray cluster answers: {first_line(error)}; one "
                "that asks for a token lets nobody in without RAY_AUTH_MODE=token"
            ) from error
    through_client = (options.workers or "").startswith("ray://")
    return Head(None if through_client else ray.get_runtime_context().gcs_address)


class Head:
    """The head of a cluster: without it no worker can be started or ended.

    Args:
        address: host and port that it listens at; None through a client, which tells by itself when
            the head is gone.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._seen_s = time.monotonic()

    def listens(self) -> bool:
        """Whether workers can be started now.

        Raises:
            ConnectionError: it could not be reached for too long.
        """
        now = time.monotonic()
        if self._address is None or now - self._seen_s < HEAD_EVERY_S:
            return True
        try:
            self._reach(self._address)
        except OSError as error:
            if now - self._seen_s > HEAD_PATIENCE_S:
                raise ConnectionError(f"its head at {self._address}: {error}") from error
            time.sleep(HEAD_EVERY_S)
            return False
        self._seen_s = now
        return True

    def is_gone(self) -> bool:
        """Whether a connection that was lost is lost for good."""
        if self._address is not None:
            with suppress(OSError):
                self._reach(self._address)
                return False
        return True

    @staticmethod
    def _reach(address: str) -> None:
        host, _, port = address.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=HEAD_WAIT_S).close()


def first_line(error: BaseException) -> str:
    """The first line of an error, or its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def leave_without_head() -> None:
    """Let this process end without Ray's own end, which waits for a head that is gone."""
    atexit.register(_end_at_once)


def _end_at_once() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
