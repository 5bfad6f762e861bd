"""Stopping a run from outside: the step under way ends, the state is saved, then it stops."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class RunStoppedError(KeyboardInterrupt):
    """A run was asked to stop, and its state is saved.

    Args:
        signum: of the signal, such as SIGINT of Ctrl-C.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class StopRequest:
    """Within it the first SIGINT or SIGTERM is noted in `signum`; the second acts as ever.

    Threads other than the main one get no signals: there it does nothing. Signals that the process
    was told to ignore, as one behind `nohup` or `&` is, stay ignored.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._owner = os.getpid()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            before = {one: signal.getsignal(one) for one in SIGNALS}
            self._before = {
                one: handler
                for one, handler in before.items()
                if handler not in (signal.SIG_IGN, None)
            }
            for one in self._before:
                signal.signal(one, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)
        self._before = {}

    def _note(self, signum: int, _: FrameType | None) -> None:
        if os.getpid() == self._owner:
            self.signum = signum
            self.__exit__()
        elif signum == signal.SIGTERM:  # a forked worker, whose parent ends it
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
