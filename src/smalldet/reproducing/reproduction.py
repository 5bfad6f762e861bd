"""What a reproduction came to: the published measures, and all that repeats them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from smalldet.atomic_write import write_text
from smalldet.reproducing.benchmark import Benchmark, Peer

Figures = Mapping[str, float | None]
"""{published name: percent; None where nothing was measured}."""

NOT_COMPARABLE = "Not to be compared with published figures"


@dataclass(frozen=True)
class Reproduction:
    """The figures of a benchmark and how they came about.

    Attributes:
        benchmark: whose protocol it is.
        command: that repeats it.
        figures: over all classes.
        per_class: of each class, those that are measured of single classes.
        num_train: pictures trained on.
        num_val: pictures measured on.
        departures: what was other than published, a line each.
        num_steps: of training.
        minutes: of training.
        seed: of the recipe.
        versions: of the libraries, and the device.
    """

    benchmark: Benchmark
    command: str
    figures: Figures
    per_class: Mapping[str, Figures]
    num_train: int
    num_val: int
    departures: tuple[str, ...]
    num_steps: int
    minutes: float
    seed: int
    versions: Mapping[str, str]

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Others whose figures stand beside these: none beside a trial's."""
        return () if self.departures else self.benchmark.peers

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as `reproduction.json` has them."""
        return {
            "benchmark": self.benchmark.title,
            "home": self.benchmark.home,
            "protocol": self.benchmark.protocol,
            "figures_percent": dict(self.figures),
            "per_class_percent": {name: dict(row) for name, row in self.per_class.items()},
            "peers": [peer.model_dump() for peer in self.peers],
            "departures": list(self.departures),
            "command": self.command,
            "seed": self.seed,
            "num_train_pictures": self.num_train,
            "num_val_pictures": self.num_val,
            "steps": self.num_steps,
            "training_minutes": self.minutes,
            "versions": dict(self.versions),
        }

    def as_markdown(self) -> str:
        """A short page, as `reproduction.md` has it."""
        header, *rows = self._rows()
        lines = [
            f"# {self.benchmark.title}",
            "",
            f"    {self.command}",
            "",
            *(f"**{NOT_COMPARABLE}:** {line}.  " for line in self.departures),
            *([""] if self.departures else []),
            f"| {' | '.join(header)} |",
            f"|---|{'---:|' * (len(header) - 1)}",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            f"{self.benchmark.protocol} {self._how_it_came()}",
            *("", *(f"{peer.name}: {peer.source}." for peer in self.peers)),
        ]
        return "\n".join(lines).rstrip() + "\n"

    def write(self, out: Path) -> None:
        """Write `reproduction.json` and `reproduction.md` into a folder."""
        text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        write_text(out / "reproduction.json", text + "\n")
        write_text(out / "reproduction.md", self.as_markdown())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        header, *rows = self._rows()
        table = Table(title=self.benchmark.title, title_justify="left", box=None, pad_edge=False)
        table.add_column(header[0])
        for name in header[1:]:
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*map(Text, row))
        yield table
        yield Text(f"{self.benchmark.protocol} {self._how_it_came()}")
        for peer in self.peers:
            yield Text(f"{peer.name}: {peer.source}.")
        for line in self.departures:
            yield Text(f"{NOT_COMPARABLE}: {line}.", style="yellow")

    def _rows(self) -> Iterator[list[str]]:
        """The table: measures down, smalldet and its peers across."""
        peers = self.peers
        yield ["percent", "smalldet", *(peer.name for peer in peers)]
        for name in self.benchmark.figures:
            yield [
                name,
                _cell(self.figures.get(name), "-"),
                *(_cell(peer.figures.get(name)) for peer in peers),
            ]

    def _how_it_came(self) -> str:
        return (
            f"Weights after {self.num_steps:,} steps, {self.minutes:g} min of training on "
            f"{self.num_train:,} pictures, measured on {self.num_val:,}; seed {self.seed}."
        )


def _cell(percent: float | None, otherwise: str = "") -> str:
    return otherwise if percent is None else f"{percent:.1f}"
