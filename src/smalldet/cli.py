"""The command line: verbs only. Parse, call, print."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from smalldet.detections import Detections
    from smalldet.training.recipe import TrainRecipe

DEFAULT_MODEL = "speck-n-aerial"

app = App(
    name="smalldet",
    help="Find small objects in large pictures: train on tiles, measure by size, predict scenes.",
)
console = Console()
stderr = Console(stderr=True)

Model = Annotated[
    str,
    Parameter(help="Embedded model by name, or a file of weights: smalldet's, Darknet's, ..."),
]
ModelClasses = Annotated[
    str | None,
    Parameter(help="Class names where the file of weights has none: a file of them, or a,b,c."),
]
ModelNetwork = Annotated[
    str | None, Parameter(help="Network where the file has none: its name, or a .cfg or .yaml.")
]
Device = Annotated[str, Parameter(help="auto, cpu, cuda, cuda:1, mps.")]
Conf = Annotated[float | None, Parameter(help="Least score; default: the model's own.")]
TilePx = Annotated[
    int | None, Parameter(name="--tile", help="Side of a tile in px; default: the model's own.")
]
Overlap = Annotated[
    float, Parameter(name="--overlap", help="Least overlap of tiles as a fraction of their side.")
]
Scales = Annotated[
    tuple[float, ...],
    Parameter(
        help="Resolutions to look at, e.g. --scales 0.5 1 2.", consume_multiple=True, negative=""
    ),
]


@app.command
def train(
    recipe: Annotated[Path | None, Parameter(help="Recipe file (see configs/).")] = None,
    *overrides: Annotated[str, Parameter(help="section.key=value, e.g. training.epochs=30")],
    data: Annotated[
        Path | None, Parameter(help="Folder with train.json, val.json and images/.")
    ] = None,
    out: Annotated[Path, Parameter(help="Run folder.")] = Path("runs/train"),
    resume: Annotated[bool, Parameter(help="Go on with a run that was stopped.")] = False,
    device: Device = "auto",
) -> None:
    """Train a detector on tiles of your labelled pictures."""
    from smalldet.training.loop import train as run_training

    chosen = _recipe(recipe, overrides, data)
    with _bar() as advance:
        report = run_training(
            chosen, out, resume=resume, device=device, on_progress=lambda s, t: advance(s, 1.0, t)
        )
    if report is not None:
        console.print(report)
    if _is_main_process():
        text = (out / "summary.txt").read_text(encoding="utf-8")
        console.print(text, end="", markup=False, highlight=False, soft_wrap=True)


@app.command
def evaluate(
    *,
    data: Annotated[Path, Parameter(help="COCO json with the truth.")],
    images: Annotated[Path | None, Parameter(help="Folder of its pictures.")] = None,
    model: Model = DEFAULT_MODEL,
    model_classes: ModelClasses = None,
    model_network: ModelNetwork = None,
    out: Annotated[
        Path | None, Parameter(help="Folder for metrics.json, detections.json, worst pictures.")
    ] = None,
    map_: Annotated[
        tuple[str, ...],
        Parameter(name="--map", help="MODEL_CLASS=DATA_CLASS where names differ; repeat it."),
    ] = (),
    tile_px: TilePx = None,
    overlap_frac: Overlap = 0.2,
    scales: Scales = (1.0,),
    whole: Annotated[bool, Parameter(help="Each picture as one tile.", negative="")] = False,
    conf: Annotated[
        float | None,
        Parameter(help="For precision, recall, false alarms; default: the model's."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Measure a model on labelled pictures, by object size."""
    from smalldet.api import evaluate as run_evaluation

    mapping = _mapping(map_)
    with _bar() as advance:
        report = run_evaluation(
            data,
            images,
            model,
            out=out,
            mapping=mapping,
            class_names=model_classes,
            network=model_network,
            tile_px=tile_px,
            overlap_frac=overlap_frac,
            scales=scales,
            whole=whole,
            conf=conf,
            device=device,
            on_progress=lambda done, total: advance(done, total, "pictures"),
        )
    console.print(report)
    if out is not None:
        console.print(f"Written: {out}/")


@app.command
def predict(
    *sources: Annotated[str, Parameter(help="Pictures, GeoTIFFs, folders, patterns, /vsi paths.")],
    out: Annotated[
        str, Parameter(help=".geojson .gpkg .json .csv .png .jpg, or a folder for all of them.")
    ],
    model: Model = DEFAULT_MODEL,
    model_classes: ModelClasses = None,
    model_network: ModelNetwork = None,
    conf: Conf = None,
    classes: Annotated[
        tuple[str, ...], Parameter(help="Only these.", consume_multiple=True, negative="")
    ] = (),
    device: Device = "auto",
    tile_px: TilePx = None,
    overlap_frac: Overlap = 0.2,
    merge: Annotated[
        str, Parameter(help="tiles (smalldet's own), nms, soft_nms, wbf or greedy.")
    ] = "tiles",
    bands: Annotated[
        tuple[int, ...],
        Parameter(
            help="Bands to read, from 1, e.g. --bands 4 3 2.", consume_multiple=True, negative=""
        ),
    ] = (),
    crs: Annotated[
        str | None, Parameter(help="Of map formats: `source`, or e.g. EPSG:32633.")
    ] = None,
    scales: Scales = (1.0,),
    whole_pass: Annotated[
        bool, Parameter(help="Look also at the whole picture, for large objects.", negative="")
    ] = False,
    scout: Annotated[
        bool,
        Parameter(help="Pass over tiles in which a small picture shows nothing.", negative=""),
    ] = False,
    resume: Annotated[
        bool, Parameter(help="Go on with a prediction that was stopped.", negative="")
    ] = False,
) -> None:
    """Find objects in pictures of any size and write them to files."""
    from smalldet.inference.predict import predict_sources
    from smalldet.models import load_model

    with _bar() as advance:
        outcome = predict_sources(
            load_model(model, class_names=model_classes, network=model_network),
            sources,
            out,
            crs=crs,
            bands=bands or None,
            conf=conf,
            classes=classes or None,
            device=device,
            tile_px=tile_px,
            overlap_frac=overlap_frac,
            merge=merge,
            scales=scales,
            whole_pass=whole_pass,
            scout=scout,
            resume=resume,
            on_scouted=lambda name, visited, total: stderr.print(
                f"{Path(name).name}: scout leaves {visited} of {total} tiles to visit"
            ),
            on_progress=lambda name, done, total: advance(done, total, Path(name).name),
            on_failure=lambda _, why: stderr.print(f"[red]error:[/red] {why}", highlight=False),
        )
    for result in outcome.results:
        console.print(f"{result.name}: {_counted(result.detections)}", highlight=False)
    for path in outcome.written:
        console.print(f"Written: {path}", highlight=False)
    if outcome.exit_code:
        raise SystemExit(outcome.exit_code)


@app.command
def convert(
    model: Model,
    *,
    to: Annotated[Path, Parameter(help=".safetensors, .weights (Darknet) or .pth (torchvision).")],
    model_classes: ModelClasses = None,
    model_network: ModelNetwork = None,
) -> None:
    """Write a model in another format."""
    from smalldet.api import convert as run_conversion

    written = run_conversion(model, to, class_names=model_classes, network=model_network)
    for path in written:
        console.print(f"Written: {path}", highlight=False)


@app.command
def demo(
    *,
    out: Annotated[Path, Parameter(help="Folder for scene, GeoJSON and picture.")] = Path("demo"),
    source: Annotated[
        str | None, Parameter(help="Your own picture instead of the drawn scene.")
    ] = None,
    model: Model = DEFAULT_MODEL,
    conf: Conf = None,
    device: Device = "auto",
) -> None:
    """Draw a large georeferenced scene, find its small objects, and compare with the truth."""
    from smalldet.demo.run import run_demo
    from smalldet.models import load_model

    run_demo(
        out, source=source, detector=load_model(model), conf=conf, device=device, console=console
    )


def main() -> None:
    """Entry point: what a person can mend is printed as one error line, not as a traceback."""
    try:
        app(console=console, error_console=stderr)
    except (ValueError, OSError, ArithmeticError) as error:
        stderr.print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        stderr.print("stopped")
        sys.exit(130)


def _recipe(recipe: Path | None, overrides: tuple[str, ...], data: Path | None) -> TrainRecipe:
    from smalldet.training.recipe import read_recipe, recipe_for_folder

    if recipe is not None and data is not None and "=" in str(recipe):
        # with --data there is no recipe file, and the first override stands in its place
        overrides, recipe = (str(recipe), *overrides), None
    if (recipe is None) == (data is None):
        raise ValueError("give either a recipe file or --data FOLDER")
    if recipe is not None:
        return read_recipe(recipe, overrides)
    assert data is not None
    return recipe_for_folder(data, overrides)


def _counted(found: Detections) -> str:
    """`3 car, 1 bus`."""
    counts = Counter(found.named())
    return ", ".join(f"{number} {name}" for name, number in counts.most_common()) or "nothing found"


def _mapping(pairs: tuple[str, ...]) -> dict[str, str] | None:
    wrong = [pair for pair in pairs if pair.count("=") != 1]
    if wrong:
        raise ValueError(f"--map takes MODEL_CLASS=DATA_CLASS, not {wrong[0]!r}")
    return dict(pair.split("=") for pair in pairs) or None


def _is_main_process() -> bool:
    """False in all but the first process of `torchrun` or `accelerate launch`."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def _bar() -> Generator[Callable[[float, float, str], None]]:
    """A progress bar on stderr; call what it yields with (done, total, text)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
    )
    with Progress(
        *columns, console=stderr, transient=True, disable=not _is_main_process()
    ) as progress:
        task = progress.add_task("starting", total=None)

        def advance(done: float, total: float, text: str) -> None:
            progress.update(task, completed=done, total=total, description=text)

        yield advance


if __name__ == "__main__":
    main()
