"""Packages that only some uses need: the error that names the extra which brings them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec


def check_installed(use: str, packages: Sequence[str], extra: str) -> None:
    """Refuse a use without what it needs.

    Args:
        use: what it is called, such as `track`.
        packages: as they are imported.
        extra: of smalldet, which brings them.

    Raises:
        ValueError: a package is missing; names it and the extra.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ValueError(
            f"{use} needs {', '.join(missing)}, which {'are' if missing[1:] else 'is'} not "
            f'installed: pip install "smalldet[{extra}]"'
        )
