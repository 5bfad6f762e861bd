"""The Python API: what the command line does, in ten functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

from smalldet.changing.change import compare_change
from smalldet.changing.options import ChangeKeywords, ChangeOptions
from smalldet.changing.report import ChangeReport
from smalldet.checking.check import CheckReport
from smalldet.checking.check import check as check_set
from smalldet.config.imagery import ImageryKeywords, ImageryOptions
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.read_labels import read_labels
from smalldet.detections import Detections
from smalldet.evaluation.evaluate import evaluate as evaluate_model
from smalldet.evaluation.options import EvaluateKeywords, EvaluateOptions
from smalldet.evaluation.report import Report
from smalldet.exporting.export import Exported, export_model
from smalldet.exporting.options import ExportKeywords, ExportOptions
from smalldet.extras import check_installed
from smalldet.imagery import Source
from smalldet.inference.options import PredictKeywords, PredictOptions
from smalldet.inference.predictor import Predictor
from smalldet.models import DEFAULT_MODEL, ClassNames, convert_model
from smalldet.planning.plan import Plan, make_plan
from smalldet.tile_models import open_tile_model
from smalldet.tracking import extra
from smalldet.tracking.options import TrackKeywords, TrackOptions
from smalldet.training.loop import train as run_training
from smalldet.training.recipe import TrainRecipe, is_labels, read_recipe, recipe_for_labels

if TYPE_CHECKING:
    from smalldet.tracking.track import TrackReport

IMAGERY = frozenset(ImageryKeywords.__annotations__)
CHANGE = frozenset(ChangeKeywords.__annotations__)
TRACK = frozenset(TrackKeywords.__annotations__)


class PredictPictureKeywords(PredictKeywords, ImageryKeywords, total=False):
    """Options of a prediction and of the picture as keyword arguments."""


class ChangeDatesKeywords(ChangeKeywords, PredictPictureKeywords, total=False):
    """Options of a comparison of dates, and of the prediction of those that are pictures."""


class TrackFramesKeywords(TrackKeywords, PredictPictureKeywords, total=False):
    """Options of tracking, and of the prediction of frames."""


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    **options: Unpack[PredictKeywords],
) -> Predictor:
    """A model ready to predict.

    Args:
        model: name of an embedded model, a file of trained weights (smalldet's own, Darknet's,
            Ultralytics', torchvision's, ...), or what `export` wrote.
        class_names: names, a file of names, or `a,b,c`, where the file of weights has none.
        network: name or description file of the network, where the file of weights has none.
        device: "auto" takes CUDA, then Apple's MPS, then the CPU.
        backend: `torch`, `onnxruntime` or `openvino`; "auto" takes the fastest here, by a trial
            that is made once and kept in the user's cache.
        options: fields of `PredictOptions`: `tile_px`, `overlap_frac`, `conf`, `classes`, ...

    Returns:
        Its `predict(source)` takes a path, an array, or a PIL picture of any size, or a list of
        these, and options of the picture: `gsd_m`, `bands`, `stretch`, `nodata`, ...

    Raises:
        FileNotFoundError, ValueError: there is no such model or device, or an option is wrong.
    """
    chosen = PredictOptions.model_validate(options)
    tile_model = open_tile_model(
        model, class_names=class_names, network=network, device=device, backend=backend
    )
    return Predictor(tile_model, chosen)


@overload
def predict(
    source: Source,
    model: str | Path = DEFAULT_MODEL,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    **options: Unpack[PredictPictureKeywords],
) -> Detections: ...
@overload
def predict(
    source: Sequence[Source],
    model: str | Path = DEFAULT_MODEL,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    **options: Unpack[PredictPictureKeywords],
) -> list[Detections]: ...
def predict(
    source: Source | Sequence[Source],
    model: str | Path = DEFAULT_MODEL,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    **options: Unpack[PredictPictureKeywords],
) -> Detections | list[Detections]:
    """Objects of one picture in its pixels, strongest first; a list of them for a list.

    Arguments as in `load`; among the options also fields of `ImageryOptions`: `bands`, `stretch`,
    `nodata`, `assume_crs`, `height_m`.
    """
    imagery, others = _shared_out(options, IMAGERY)
    predictor = load(
        model, class_names=class_names, network=network, device=device, backend=backend, **others
    )
    return predictor.predict(source, **imagery)


def change(
    *dates: str | Path,
    out: str | Path | None = None,
    model: str | Path = DEFAULT_MODEL,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    **options: Unpack[ChangeDatesKeywords],
) -> ChangeReport:
    """Tell what appeared, went, stayed, moved, or was not seen between dates.

    Args:
        dates: two or more, in order: files of predictions with a place on a map, or pictures.
        out: file to write: `.gpkg`, `.geojson`, `.fgb`, `.parquet`, `.shp`, `.kml` or `.csv`.
        model: finds the objects of pictures; as in `load`, and so `class_names`, `network`,
            `device` and `backend`.
        options: fields of `ChangeOptions`: `tolerance_m`, `moved_within_m`, `zones`, ...; among
            them also options of `predict`, of which `conf`, `classes` and `area` hold for files of
            predictions too.

    Returns:
        Its `changes` is a row for each object, its `tables` are the counts, `lines()` tell it in
        words.

    Raises:
        FileNotFoundError, ValueError: see `smalldet.changing.change.compare_change`.
    """
    own, imagery, others = _shared_out(options, CHANGE, IMAGERY)
    return compare_change(
        dates,
        out,
        ChangeOptions.model_validate(own),
        open_model=lambda: open_tile_model(
            model, class_names=class_names, network=network, device=device, backend=backend
        ),
        predicting=PredictOptions.model_validate(others),
        imagery=ImageryOptions.model_validate(imagery),
    )


def track(
    source: str | Path,
    out: str | Path,
    model: str | Path = DEFAULT_MODEL,
    *,
    resume: bool = False,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    **options: Unpack[TrackFramesKeywords],
) -> TrackReport:
    """Follow small objects through the frames of a video.

    Args:
        source: a video, or the frames as pictures: a folder or a pattern, in natural order.
        out: folder for tracks, detections and the video.
        model: as in `load`, and so `class_names`, `network`, `device` and `backend`.
        resume: go on with a run that was stopped.
        options: fields of `TrackOptions`: `tracker`, `frames`, `truth`, ...; among them also
            options of `predict` and of the pictures.

    Returns:
        Its `tracks` are the boxes in columns, its `scores` what they are worth by size.

    Raises:
        FileNotFoundError, ValueError: see `smalldet.tracking.track.track_frames`.
    """
    check_installed("track", extra.NEEDED, extra.EXTRA)
    from smalldet.tracking.track import track_frames

    own, imagery, others = _shared_out(options, TRACK, IMAGERY)
    return track_frames(
        source,
        Path(out),
        TrackOptions.model_validate(own),
        open_model=lambda: open_tile_model(
            model, class_names=class_names, network=network, device=device, backend=backend
        ),
        predicting=PredictOptions.model_validate(others),
        imagery=ImageryOptions.model_validate(imagery),
        resume=resume,
    )


def evaluate(
    data: str | Path,
    images: str | Path | None = None,
    model: str | Path = DEFAULT_MODEL,
    *,
    out: str | Path | None = None,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    on_progress: Callable[[int, int], None] | None = None,
    **options: Unpack[EvaluateKeywords],
) -> Report:
    """Measure a model on labelled pictures, by object size.

    Args:
        data: labelled pictures as `train` takes them: a COCO json, a folder with `val.json`, or a
            folder of Pascal VOC XML, YOLO text or DOTA text.
        images: folder of the pictures; each format has a usual place.
        model: as in `load`, and so `class_names`, `network`, `device` and `backend`.
        out: folder for `metrics.json`, `options.yaml`, `detections.json` and pictures of the worst
            cases.
        on_progress: called with pictures done and pictures in all.
        options: fields of `EvaluateOptions`: `tile_px`, `conf`, `map` = {class of the model: class
            of the data}, ...

    Raises:
        FileNotFoundError, ValueError: data or model cannot be read, an option is wrong, or model
            and data have no class in common.
    """
    chosen = EvaluateOptions.model_validate(options)
    tile_model = open_tile_model(
        model, class_names=class_names, network=network, device=device, backend=backend
    )
    pictures = None if images is None else Path(images)
    with_masks = tile_model.finds_masks
    truth = read_labels(Path(data), pictures, split="val", with_masks=with_masks)
    return evaluate_model(tile_model, truth, chosen, out=out, on_progress=on_progress)


def convert(
    model: str | Path,
    to: str | Path,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
) -> list[Path]:
    """Write a model in another format.

    Args:
        model: as in `load`, and so `class_names` and `network`.
        to: `.safetensors` (smalldet's own), `.weights` (Darknet's, with `.cfg` and `.names`
            beside), or `.pth` (torchvision's).

    Returns:
        The files.
    """
    return convert_model(model, to, class_names=class_names, network=network)


def export(
    model: str | Path,
    to: str | Path,
    *,
    data: str | Path | LabelSource | None = None,
    images: str | Path | None = None,
    picture: str | Path | None = None,
    class_names: ClassNames | None = None,
    network: str | None = None,
    **options: Unpack[ExportKeywords],
) -> Exported:
    """Write a model for ONNX Runtime or OpenVINO, and hold it to what torch gives.

    Args:
        model: as in `load`, and so `class_names` and `network`.
        to: an `.onnx` file, or a folder with `format="openvino"`.
        data: labelled pictures for `int8`, as `evaluate` takes them, or what a `LabelSource` says
            of them.
        images: folder of the pictures.
        picture: whose tiles are compared; a drawn scene if None.
        options: fields of `ExportOptions`: `format`, `int8`, `fp16`, `tile_px`, `batch`.

    Raises:
        FileExistsError, FileNotFoundError, ValueError: see `smalldet.exporting.export`.
    """
    chosen = ExportOptions.model_validate(options)
    return export_model(
        model,
        to,
        chosen,
        class_names=class_names,
        network=network,
        data=None if data is None else read_labels(data, images, split="val"),
        picture=None if picture is None else Path(picture),
    )


def train(
    recipe: str | Path | TrainRecipe,
    out: str | Path,
    *overrides: str,
    resume: bool = False,
    device: str = "auto",
    on_progress: Callable[[float, str], None] | None = None,
) -> Report | None:
    """Train a detector; see `smalldet.training.loop.train` for what lies in `out`.

    Args:
        recipe: a recipe file, a checked recipe, or labelled pictures in any known format.
        out: run folder.
        overrides: `section.key=value`, as on the command line.
        resume: go on with a run that was stopped.
        device: `auto` or `cpu`.
        on_progress: called with the share done and a line of text.
    """
    return run_training(
        _recipe(recipe, overrides), Path(out), resume=resume, device=device, on_progress=on_progress
    )


def check(
    data: str | Path,
    images: str | Path | None = None,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Tell what is wrong with labelled pictures, all splits of them.

    Args:
        data: in any known format.
        images: folder of the pictures; each format has a usual place.
        on_progress: called with pictures read and pictures in all.

    Returns:
        Its `findings`, worst first, and `may_train`.

    Raises:
        FileNotFoundError, ValueError: there are no labels, or in no known format.
    """
    folder = None if images is None else Path(images)
    return check_set(LabelSource(annotations=Path(data), images=folder), on_progress)


def plan(
    recipe: str | Path | TrainRecipe,
    *overrides: str,
    memory_gb: float | None = None,
    device: str = "auto",
) -> Plan:
    """Say what a set allows and what training on it costs.

    Args:
        recipe: as in `train`, and so `overrides` and `device`.
        memory_gb: that training may take; None: the batch stays as it is.

    Returns:
        Its figures, and its `recipe`, ready for `train`.

    Raises:
        FileNotFoundError, ValueError: see `smalldet.planning.plan.make_plan`.
    """
    return make_plan(_recipe(recipe, overrides), memory_gb=memory_gb, device=device)


def _recipe(recipe: str | Path | TrainRecipe, overrides: tuple[str, ...]) -> TrainRecipe:
    if isinstance(recipe, TrainRecipe):
        if overrides:
            raise ValueError("overrides go with a file or a folder, not with a checked recipe")
        return recipe
    path = Path(recipe)
    return (recipe_for_labels if is_labels(path) else read_recipe)(path, overrides)


def _shared_out(options: Mapping[str, Any], *keys: Collection[str]) -> list[dict[str, Any]]:
    """The options of each set of keys, and last those of none."""
    known = [{key: options[key] for key in options if key in some} for some in keys]
    rest = {key: options[key] for key in options if not any(key in some for some in keys)}
    return [*known, rest]
