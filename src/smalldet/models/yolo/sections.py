"""Text of a Darknet cfg as sections of options, each of which knows its line."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Section:
    """One `[name]` and its options.

    Args:
        file: name of the cfg, for messages.
        name: without brackets.
        line: of the bracket.
        options: key to text and line number; of a repeated key the first counts, as in Darknet.
    """

    file: str
    name: str
    line: int
    options: dict[str, tuple[str, int]] = field(default_factory=dict)

    def error(self, message: str, key: str | None = None) -> ValueError:
        """An error that names file, line and section."""
        line = self.options[key][1] if key in self.options else self.line
        return ValueError(f"{self.file} line {line}: [{self.name}] {message}")

    def text(self, key: str, default: str) -> str:
        return self.options[key][0] if key in self.options else default

    def whole(self, key: str, default: int, low: int = 0, high: int = 65_536) -> int:
        """An integer option in low..high."""
        value = self._number(key, self.text(key, str(default)))
        if not (low <= value <= high) or value != int(value):
            raise self.error(f"{key} must be a whole number in {low}..{high}, not {value:g}", key)
        return int(value)

    def number(self, key: str, default: float, low: float = 0.0, high: float = 1e6) -> float:
        """A real option in low..high."""
        value = self._number(key, self.text(key, str(default)))
        if not low <= value <= high:
            raise self.error(f"{key} must lie in {low:g}..{high:g}, not {value:g}", key)
        return value

    def numbers(self, key: str) -> list[float]:
        """A list option; empty where it is absent."""
        parts = self.text(key, "").split(",")
        return [self._number(key, part) for part in parts if part]

    def wholes(self, key: str) -> list[int]:
        """A list option of integers, which may be negative."""
        values = self.numbers(key)
        if any(value != int(value) for value in values):
            raise self.error(f"{key} must be whole numbers", key)
        return [int(value) for value in values]

    def refuse(self, *keys: str) -> None:
        """Options that would change the result and are not understood.

        Raises:
            ValueError: one of them is set.
        """
        for key in keys:
            if self.text(key, "0") not in ("0", "none", "linear"):
                raise self.error(f"{key}={self.text(key, '')} is not supported", key)

    def _number(self, key: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(f"{key}={text} is not a number", key)
        return value


def read_sections(text: str, file: str, max_sections: int) -> list[Section]:
    """Sections in order. Comments begin with `#`, or with `;` at the start of a line.

    Raises:
        ValueError: a line is neither section nor option, or there are too many sections.
    """
    sections: list[Section] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = "".join(raw.split("#", 1)[0].split())  # Darknet drops all white space
        if not line or line.startswith(";"):
            continue
        if line.startswith("["):
            if len(sections) == max_sections:
                raise ValueError(f"{file} line {number}: more than {max_sections} sections")
            if not line.endswith("]"):
                raise ValueError(f"{file} line {number}: {line!r} lacks its closing bracket")
            sections.append(Section(file, line[1:-1].lower(), number))
            continue
        key, sign, value = line.partition("=")
        if not sign or not sections:
            raise ValueError(f"{file} line {number}: {line[:80]!r} is no option of a section")
        sections[-1].options.setdefault(key, (value, number))
    return sections
