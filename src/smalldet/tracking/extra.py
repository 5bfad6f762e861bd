"""What tracking needs beyond smalldet's own dependencies."""

from __future__ import annotations

from importlib.util import find_spec

NEEDED = ("av", "cv2", "supervision", "trackers")


def check_installed() -> None:
    """Refuse to begin without the extra.

    Raises:
        ValueError: a package is missing; names it and the extra.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ValueError(
            f"track needs {', '.join(missing)}, which {'are' if missing[1:] else 'is'} not "
            'installed: pip install "smalldet[video]"'
        )
