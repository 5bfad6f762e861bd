"""Evaluate a model: predict over labelled pictures, score, and write what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from smalldet.atomic_write import write_text
from smalldet.config.load import dump
from smalldet.data.distances import in_metres, of_size
from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.evaluation.classes import match_classes
from smalldet.evaluation.comparison import compare
from smalldet.evaluation.kept import NOT_SAID, About, keep
from smalldet.evaluation.match_distance import read_distance
from smalldet.evaluation.options import EvaluateOptions
from smalldet.evaluation.page.evaluation_page import evaluation_page
from smalldet.evaluation.report import Report
from smalldet.evaluation.result_files import Results
from smalldet.evaluation.scoring import report_of
from smalldet.evaluation.tile_views import TileViews, TileWatch
from smalldet.evaluation.worst import draw_worst
from smalldet.imagery import open_scene
from smalldet.imagery.gsd import Gsd
from smalldet.inference.options import PredictOptions, TilingOptions
from smalldet.inference.predictor import Predictor
from smalldet.models.detector import Detector
from smalldet.tile_models import TileModel

# Average precision needs the weak detections too: they are the end of the curve.
_LOWEST_CONF = 0.01


def evaluate(
    model: TileModel,
    truth: Index,
    options: EvaluateOptions | None = None,
    *,
    out: Path | str | None = None,
    page: Path | str | None = None,
    about: About = NOT_SAID,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Predict over the pictures of `truth` as one would over new ones, and measure.

    Args:
        model: any tile model.
        truth: labelled pictures.
        options: how to predict, and what to measure.
        out: folder for `metrics.json`, `options.yaml` (with what the model says where an option
            was not given), `detections.json` (COCO results), `truth.json` (COCO), `about.json`
            and the worst pictures.
        page: an HTML file with charts and crops of the errors.
        about: what was given, for the folder and the page.
        on_progress: called with pictures done and pictures in all.

    Raises:
        OSError: `out` cannot be written, as on a full disk; no file of it is left half written.
        ValueError: no class in common, or sizes are asked for in metres and a picture's ground
            sample distance is not known.
    """
    options = options or EvaluateOptions()
    # First of all: a wrong map must not show after an hour of prediction.
    classes = match_classes(truth, model.class_names, options.map)
    watch = TileWatch()
    predictor = measuring_predictor(model, options, watch)
    truth = of_sizes_in_metres(truth, options)
    conf = model.conf if options.conf is None else options.conf
    options = options.model_copy(update={"conf": conf, "tile_px": predictor.tile_px})

    def on_picture(done: int, total: int) -> None:
        watch.next_picture()
        if on_progress is not None:
            on_progress(done, total)

    results = Results(predict_all(predictor, truth, on_picture))
    return _measure(truth, results, options, out, page, about, watch.views(classes))


def evaluate_results(
    results: Results,
    truth: Index,
    options: EvaluateOptions | None = None,
    *,
    out: Path | str | None = None,
    page: Path | str | None = None,
    about: About = NOT_SAID,
) -> Report:
    """Measure detections that were read from a file; arguments as of `evaluate`.

    Options of tiles have no meaning here. Where `options` name no `conf`, it is that of `score`.
    """
    options = options or EvaluateOptions()
    conf = Detector.conf if options.conf is None else options.conf
    options = options.model_copy(update={"conf": conf})
    return _measure(of_sizes_in_metres(truth, options), results, options, out, page, about)


def of_sizes_in_metres(truth: Index, options: EvaluateOptions) -> Index:
    """The objects of the sizes in metres that are asked for; distances where sizes need them."""
    least_m, most_m = options.min_size_m, options.max_size_m
    if least_m is not None or most_m is not None:
        truth = of_size(truth, options.gsd_m, least_m, most_m)
    distance = options.match_distance
    if "m" in (options.size_unit, distance and read_distance(distance)[1]):
        truth = in_metres(truth, options.gsd_m)
    return truth


def _measure(
    truth: Index,
    results: Results,
    options: EvaluateOptions,
    out: Path | str | None,
    page: Path | str | None,
    about: About,
    views: TileViews | None = None,
) -> Report:
    conf, detections = options.conf, results.detections
    assert conf is not None
    comparison = compare(
        truth,
        detections,
        conf=conf,
        max_detections=options.max_detections,
        mapping=options.map,
        sizes=options.sizes,
        size_unit=options.size_unit,
        match_distance=options.match_distance,
    )
    report = report_of(comparison, detections, options.num_resamples, views)
    report = replace(report, remarks=results.remarks)
    if out is not None:
        folder = Path(out)
        class_names = detections[0].class_names if detections else truth.class_names
        report.write(folder / "metrics.json")
        write_text(folder / "options.yaml", dump(options))
        classes = match_classes(truth, class_names, options.map)
        keep(folder, truth, classes, detections, replace(about, conf=conf))
        draw_worst(comparison.index, comparison.at_conf, folder)
    if page is not None:
        write_text(Path(page), evaluation_page(comparison, report, about))
    return report


def measuring_predictor(
    model: TileModel, options: EvaluateOptions, watch: TileWatch | None = None
) -> Predictor:
    """A predictor that keeps weak detections too, and lets the watch see those of its tiles."""
    tiling = options.model_dump(include=set(TilingOptions.model_fields))
    predicting = PredictOptions(conf=_LOWEST_CONF, **tiling)
    return Predictor(model, predicting, None if watch is None else watch.note)


def predict_all(
    predictor: Predictor, truth: Index, on_progress: Callable[[int, int], None] | None = None
) -> list[Detections]:
    """Detections of each labelled picture; `on_progress` gets pictures done and in all."""
    detections: list[Detections] = []
    for record in truth.records:
        detections.append(predict_labelled(predictor, record).to("cpu"))
        if on_progress is not None:
            on_progress(len(detections), len(truth))
    return detections


def predict_labelled(predictor: Predictor, record: ImageRecord) -> Detections:
    """Objects of a labelled picture; what its labels say of its distance goes before the file."""
    gsd = None if record.gsd_m is None else Gsd(record.gsd_m, "by its labels")
    with open_scene(record.path, predictor.usual_bands, gsd=gsd) as scene:
        return predictor.predict(scene)
