"""Refusals: what a client is told, without a word of this machine's paths."""

from __future__ import annotations

import re
from pathlib import Path

ABSOLUTE = re.compile(r"(?<![\w.:/\\])(?:[A-Za-z]:[\\/]|\\\\|/(?=[^\s/]))[^\s:'\",;()<>]*")
PLACE = "(path)"


class Refusal(Exception):  # noqa: N818 (it is an answer)
    """A request that is answered with what is wrong about it.

    Args:
        status: of HTTP.
        text: for the client; says what to do.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class StoppedError(Exception):
    """Work ended before its end: its client went away, cancelled it, or the service stops."""


def refused(error: Exception, path: Path, name: str, status: int = 422) -> Refusal:
    """What is wrong with a picture, under the name that the client knows."""
    return Refusal(status, public_text(str(error), {str(path): name}))


def public_text(text: str, names: dict[str, str] | None = None) -> str:
    """A message without paths of this machine.

    Args:
        text: the message.
        names: {path: what the client calls it}.
    """
    for path, name in (names or {}).items():
        text = text.replace(path, f"\0{name}\0")
    # what stands between the marks is the client's own word, and stays
    parts = text.split("\0")
    parts[::2] = [ABSOLUTE.sub(PLACE, part) for part in parts[::2]]
    return "".join(parts)
