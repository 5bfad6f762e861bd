"""The verbs that find objects."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from smalldet.archives.options import ArchiveOptions
from smalldet.cli.archiving import predict_on_ray
from smalldet.cli.opening import model_opener
from smalldet.cli.parameters import (
    DEFAULT_MODEL,
    FLATTENED,
    ORIENTED_MODEL,
    Backend,
    ClassNames,
    Device,
    Model,
    Network,
    parameter_name,
)
from smalldet.cli.printing import complain, console, note, progress_bar, say
from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.inference.options import MapOptions, PredictOptions

if TYPE_CHECKING:
    from smalldet.detections import Detections

DEFAULTS, DEFAULT_MAPS = PredictOptions(), MapOptions()
DEFAULT_ARCHIVE = ArchiveOptions()


def predict(
    *sources: Annotated[
        str,
        Parameter(
            help="Pictures, GeoTIFFs, folders, patterns, tile indexes, STAC, names that GDAL knows."
        ),
    ],
    out: Annotated[
        str,
        Parameter(
            help="File whose suffix names the format, such as .geojson .gpkg .fgb .parquet .shp "
            ".kml .json .csv .txt .xml .png .jpg, or a folder for a map, a picture and COCO json."
        ),
    ],
    model: Model = DEFAULT_MODEL,
    class_names: ClassNames = None,
    network: Network = None,
    options: Annotated[PredictOptions, FLATTENED] = DEFAULTS,
    device: Device = "auto",
    backend: Backend = "auto",
    imagery: Annotated[ImageryOptions, FLATTENED] = USUAL,
    maps: Annotated[MapOptions, FLATTENED] = DEFAULT_MAPS,
    resume: Annotated[
        bool, Parameter(help="Go on with a prediction that was stopped.", negative="")
    ] = False,
    ray: Annotated[
        bool,
        Parameter(
            help="Predict an archive on many workers by Ray; --out is a folder of GeoParquet, and "
            "the same command goes on where it was stopped.",
            negative="",
        ),
    ] = False,
    archive: Annotated[ArchiveOptions, FLATTENED] = DEFAULT_ARCHIVE,
) -> None:
    """Find objects in pictures of any size and write them to files."""
    if ray or archive.workers is not None:
        predict_on_ray(
            sources,
            out,
            model=model,
            class_names=class_names,
            network=network,
            backend=backend,
            device=device,
            options=options,
            imagery=imagery,
            maps=maps,
            archive=archive,
        )
        return
    if archive != DEFAULT_ARCHIVE:
        (name, *_) = archive.model_dump(exclude_defaults=True)
        raise ValueError(f"--{parameter_name(name)} goes with --ray")
    from smalldet.inference.predict import Listener, predict_sources

    tile_model = model_opener(model, class_names, network, device, backend)()
    with progress_bar() as advance:
        listener = Listener(
            on_progress=lambda name, done, total: advance(done, total, Path(name).name),
            on_scouted=lambda name, visited, total: note(
                f"{Path(name).name}: scout leaves {visited} of {total} tiles to visit"
            ),
            on_failure=lambda _, why: complain(why),
            on_remark=lambda name, remark: note(f"{name}: {remark}"),
            on_outside=lambda _, words: note(f"{words}: passed over"),
        )
        outcome = predict_sources(
            tile_model,
            sources,
            out,
            options,
            maps=maps,
            imagery=imagery,
            resume=resume,
            listener=listener,
        )
    for result in outcome.results:
        say(f"{result.name}: {_counted(result.detections)}")
    for path in outcome.written:
        say(f"Written: {path}")
    if outcome.exit_code:
        raise SystemExit(outcome.exit_code)


def demo(
    *,
    out: Annotated[Path, Parameter(help="Folder for scene, GeoJSON and picture.")] = Path("demo"),
    source: Annotated[
        str | None, Parameter(help="Your own picture instead of the drawn scene.")
    ] = None,
    model: Model = DEFAULT_MODEL,
    oriented: Annotated[
        bool,
        Parameter(help="Find oriented boxes, by the embedded model that does, unless --model."),
    ] = False,
    conf: Annotated[float | None, Parameter(help="Least score; default: the model's own.")] = None,
    device: Device = "auto",
    backend: Backend = "auto",
) -> None:
    """Draw a large georeferenced scene, find its small objects, and compare with the truth."""
    from smalldet.demo.run import run_demo
    from smalldet.tile_models import open_tile_model

    if oriented and model == DEFAULT_MODEL:
        model = ORIENTED_MODEL
    tile_model = open_tile_model(model, device=device, backend=backend, say=note)
    run_demo(out, source=source, model=tile_model, conf=conf, console=console)


def _counted(detections: Detections) -> str:
    """`3 car, 1 bus`."""
    counts = Counter(detections.named())
    return ", ".join(f"{number} {name}" for name, number in counts.most_common()) or "nothing found"
