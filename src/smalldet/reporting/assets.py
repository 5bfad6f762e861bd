"""Scripts and styles of this room, and data for them, as parts of a page."""

from __future__ import annotations

import json
import re
from importlib.resources import files

SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)


def script(name: str) -> str:
    """A script of this room as HTML."""
    text = SOURCE_MAP.sub("", _text(name))  # a browser's tools would ask for it
    return "<script>\n" + text.replace("</script", "<\\/script") + "\n</script>"


def style(name: str) -> str:
    """A style sheet of this room as HTML."""
    return f"<style>\n{_text(name)}</style>"


def as_data(value: object) -> str:
    """A value as JSON that a script of the page reads; no text in it ends the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    safe = text.replace("<", "\\u003c")
    return f'<script type="application/json">{safe}</script>'


def _text(name: str) -> str:
    return (files("smalldet.reporting") / name).read_text(encoding="utf-8")
