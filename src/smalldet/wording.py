"""How lines for people are worded."""

from __future__ import annotations

from collections.abc import Sequence


def shortened(names: Sequence[str], most: int) -> str:
    """Up to so many names, and `...` where there are more."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
