"""The demo: from nothing to detections on a map."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from smalldet.class_names import class_key
from smalldet.data.index import Index
from smalldet.demo.poster import draw_poster
from smalldet.demo.scene import draw_scene
from smalldet.demo.tally import Tally, found_counts, tally, tally_table
from smalldet.detections import Detections
from smalldet.imagery import Scene, open_scene
from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor
from smalldet.inference.results import Result
from smalldet.inference.writers import write
from smalldet.tile_models import TileModel, open_tile_model


@dataclass(frozen=True, eq=False)
class DemoRun:
    """What the demo did.

    Args:
        result: the detections and where they lie.
        tallies: true, found and missed of a drawn scene; None for a picture of one's own.
        seconds: wall time of the prediction.
        written: files.
    """

    result: Result
    tallies: list[Tally] | None
    seconds: float
    written: list[Path]

    @property
    def megapixels_per_second(self) -> float:
        return self.result.width * self.result.height / 1e6 / self.seconds


def run_demo(
    out_dir: Path | str,
    *,
    source: Path | str | None = None,
    model: TileModel | None = None,
    conf: float | None = None,
    width: int = 6400,
    height: int = 4480,
    seed: int = 0,
    console: Console | None = None,
) -> DemoRun:
    """Draw a scene and find the small objects in it, or find them in one's own picture.

    Writes `scene.tif` (if drawn), `detections.geojson` and `detections.jpg`, and prints what was
    found; for a drawn scene, what was missed too.

    Args:
        out_dir: folder for the files; made where there is none.
        source: a picture of one's own instead of a drawn scene.
        model: any tile model; the embedded aerial one if None.
        conf: least score; the model's own if None.
        width, height, seed: of the drawn scene.
        console: where to print.

    Raises:
        FileNotFoundError, ValueError: the picture cannot be read, the drawn scene would be too
            small, or the model has no class of it.
    """
    out, console = Path(out_dir), console or Console()
    predictor = Predictor(model or open_tile_model(), PredictOptions(conf=conf))
    out.mkdir(parents=True, exist_ok=True)
    truth: Index | None = None
    if source is None:
        console.print(f"Drawing a scene of {width:,} x {height:,} px ...")
        truth = draw_scene(out / "scene.tif", width=width, height=height, seed=seed)
        source = truth.records[0].path
    with open_scene(source, predictor.usual_bands) as scene:
        start = time.perf_counter()
        result = Result.of(scene, str(source), _predict(predictor, scene, console))
        seconds = time.perf_counter() - start
        poster = draw_poster(scene, result.detections)
    written = [] if truth is None else [out / "scene.tif"]
    written += write(out / "detections.geojson", [result])
    poster.save(out / "detections.jpg", quality=92)
    written.append(out / "detections.jpg")
    tallies = None if truth is None else tally(truth, result.detections, predictor.conf)
    run = DemoRun(result, tallies, seconds, written)
    _say(console, run, truth, predictor.model.runtime)
    return run


def _predict(predictor: Predictor, scene: Scene, console: Console) -> Detections:
    columns = (TextColumn("Finding"), BarColumn(), MofNCompleteColumn(), TextColumn("tiles"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=None)
        return predictor.predict(
            scene, on_progress=lambda done, num: progress.update(task, completed=done, total=num)
        )


def _say(console: Console, run: DemoRun, truth: Index | None, runtime: str) -> None:
    detections = run.result.detections
    if truth is None or run.tallies is None:
        counts = ", ".join(f"{num} {name}" for name, num in found_counts(detections))
        console.print(
            f"Found in {run.result.name}: {counts or 'nothing'}.", soft_wrap=True, markup=False
        )
    else:
        console.print(tally_table(run.tallies))
        known = {class_key(name) for name in truth.class_names}
        others = [
            f"{n} {name}" for name, n in found_counts(detections) if class_key(name) not in known
        ]
        if others:
            console.print(f"Also {', '.join(others)}, of which the scene has none.", soft_wrap=True)
        asked = {class_key(name) for name in detections.class_names}
        unknown = [name for name in truth.class_names if class_key(name) not in asked]
        if unknown:
            console.print(f"The detector does not know {', '.join(unknown)}.", soft_wrap=True)
        console.print(
            "[bold]This scene is drawn, not photographed:[/bold] it shows that everything works "
            "here, and what is counted; it does not say how well the model does on photographs."
        )
    size = run.result.width * run.result.height / 1e6
    speed = run.megapixels_per_second
    console.print(
        f"{size:.1f} megapixels in {run.seconds:.1f} s on {runtime}: {speed:.2f} a second."
    )
    for path in run.written:
        console.print(f"  {path}", soft_wrap=True, highlight=False, markup=False)
