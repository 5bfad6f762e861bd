"""The verb that says which models there are and what they are for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from smalldet.cli.parameters import ClassNames, Device, Network
from smalldet.cli.printing import console, note, say

if TYPE_CHECKING:
    from smalldet.models.facts import ModelFacts
    from smalldet.models.seen import Spread


def models(
    name: Annotated[
        str | None, Parameter(help="An embedded model or a file of weights; default: all embedded.")
    ] = None,
    *,
    time: Annotated[
        bool, Parameter(help="Time a tile of each in the fastest runtime here.")
    ] = False,
    class_names: ClassNames = None,
    network: Network = None,
    device: Device = "auto",
) -> None:
    """List the embedded models, or say what is known of one."""
    from smalldet.models import embedded_models
    from smalldet.models.facts import model_facts

    names = [name] if name is not None else embedded_models()
    facts = [model_facts(one, class_names=class_names, network=network) for one in names]
    speeds = [_speed(one, class_names, network, device) for one in names] if time else None
    if name is None:
        _print_table(facts, speeds)
    else:
        _print_one(facts[0], speeds[0] if speeds else None)


def _speed(name: str, class_names: str | None, network: str | None, device: str) -> str:
    from smalldet.tile_models import open_tile_model
    from smalldet.tile_models.fastest import seconds_a_tile

    model = open_tile_model(name, class_names=class_names, network=network, device=device, say=note)
    return f"{1e3 * seconds_a_tile(model):.0f} ms, {model.runtime}"


def _print_table(facts: Sequence[ModelFacts], speeds: Sequence[str] | None) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 1, 0))
    for header in ("model", "finds", "sides, px"):
        table.add_column(header, no_wrap=True)
    table.add_column("size", justify="right")
    if speeds is not None:
        table.add_column("a tile here")
    table.add_column("licence")
    for row, one in enumerate(facts):
        finds = [*one.class_names, *([f"({one.shapes})"] if one.shapes != "boxes" else [])]
        sides = [_span(spread) for spread in one.seen.side_px or [None] * len(one.class_names)]
        cells = [one.name, "\n".join(finds), "\n".join(sides)]
        cells += [f"{one.num_parameters / 1e6:.2f} M"]
        cells += [] if speeds is None else [speeds[row]]
        table.add_row(*cells, one.licence)
    console.print(table)
    say("Sides: 10th to 90th percentile in training. `smalldet models NAME` says more.")


def _print_one(facts: ModelFacts, speed: str | None) -> None:
    unknown = [None] * len(facts.class_names)
    lines = {
        "family": facts.family,
        "gives": facts.shapes,
        "tile": f"{facts.tile_px} px",
        "confidence": f"{facts.conf:g}",
        "parameters": f"{facts.num_parameters / 1e6:.2f} M",
        "file": f"{facts.path}, {facts.num_bytes / 1e6:.1f} MB",
        "licence": facts.licence,
        "a tile here": speed,
        "card": facts.card,
    }
    say(facts.name)
    for key, value in lines.items():
        if value is not None:
            say(f"  {key:12} {value}")
    say("  classes")
    width = max(map(len, facts.class_names))
    seen = facts.seen
    found = seen.resolvable_px or unknown
    spreads = zip(seen.side_px or unknown, seen.gsd_m or unknown, found, strict=True)
    for class_name, (side, gsd, smallest) in zip(facts.class_names, spreads, strict=True):
        known = [
            f"sides {_span(side)} px" if side else "",
            f"{_span(gsd)} m a pixel" if gsd else "",
            f"half are found from {smallest:.3g} px on" if smallest else "",
        ]
        say(f"    {class_name:{width}}  {'; '.join(filter(None, known))}".rstrip())


def _span(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread[0]:.3g} to {spread[2]:.3g}"
