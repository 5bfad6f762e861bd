"""The verb that goes from a public benchmark's folder to its published figures."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from smalldet.cli.parameters import Device
from smalldet.cli.printing import console, is_main_process, progress_bar, say
from smalldet.cli.training import train_and_tell


def reproduce(
    name: Annotated[
        str | None,
        Parameter(help="Of a benchmark, or a YAML file of one; without one, all are listed."),
    ] = None,
    *overrides: Annotated[str, Parameter(help="section.key=value, e.g. model.size=s")],
    root: Annotated[
        Path | None, Parameter(help="The folder that its downloads were unpacked into.")
    ] = None,
    out: Annotated[Path | None, Parameter(help="Run folder; default: runs/NAME.")] = None,
    minutes: Annotated[float | None, Parameter(help="training.minutes")] = None,
    resume: Annotated[
        bool, Parameter(help="Go on with a run that was stopped.", negative="")
    ] = False,
    device: Device = "auto",
) -> None:
    """Train and measure on a public benchmark, from its folder as downloaded."""
    from smalldet.reproducing.benchmark import read_benchmark

    if name is None:
        _list()
        return
    benchmark = read_benchmark(name)
    if root is None:
        raise ValueError(
            f"--root: name the folder that the downloads of {benchmark.title} were unpacked into; "
            f"they are at {benchmark.home}"
        )
    from smalldet.reproducing.layout import recipe_in
    from smalldet.reproducing.measure import measure

    if minutes is not None and any(one.startswith("training.minutes=") for one in overrides):
        raise ValueError("--minutes and training.minutes are one key: give one of them")
    assignments = overrides if minutes is None else (f"training.minutes={minutes:g}", *overrides)
    recipe = recipe_in(benchmark, root, assignments)
    out = Path("runs") / Path(name).stem if out is None else out
    train_and_tell(recipe, out, resume, device)
    if not is_main_process():
        return
    command = ["smalldet", "reproduce", name, *assignments, "--root", str(root), "--out", str(out)]
    with progress_bar() as advance:
        reproduction = measure(
            benchmark,
            recipe_in(benchmark, root),
            recipe,
            out,
            command=shlex.join(command),
            device=device,
            on_progress=lambda done, total: advance(done, total, "pictures"),
        )
    console.print(reproduction)
    say(f"Written: {out / 'reproduction.json'}, {out / 'reproduction.md'}")


def _list() -> None:
    from smalldet.reproducing.benchmark import benchmark_names, read_benchmark

    width = max(map(len, benchmark_names()))
    for name in benchmark_names():
        benchmark = read_benchmark(name)
        say(f"{name:{width}}  {benchmark.title}, {benchmark.home}")
