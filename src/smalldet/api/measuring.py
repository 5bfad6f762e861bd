"""Measure models, and compare them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Unpack

from smalldet.data.formats.label_source import LabelSource
from smalldet.evaluation.measuring import compare_entries, measure_model, measure_results
from smalldet.evaluation.options import EvaluateKeywords, EvaluateOptions
from smalldet.evaluation.report import Report
from smalldet.evaluation.side_by_side import SideBySide
from smalldet.models import DEFAULT_MODEL, ClassNames
from smalldet.tile_models import open_tile_model


def evaluate(
    data: str | Path | LabelSource,
    images: str | Path | None = None,
    model: str | Path = DEFAULT_MODEL,
    *,
    split: str = "val",
    results: str | Path | None = None,
    out: str | Path | None = None,
    page: str | Path | None = None,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    on_progress: Callable[[int, int], None] | None = None,
    **options: Unpack[EvaluateKeywords],
) -> Report:
    """Measure a model on labelled pictures, by object size.

    Args:
        data: labelled pictures in any known format, or what a `LabelSource` says of them.
        images: folder of the pictures; each format has a usual place.
        model: as in `load`, and so `class_names`, `network`, `device` and `backend`.
        split: of labels in several parts: `train`, `val` or `test`.
        results: measured instead of a model: a COCO results list, a whole COCO json, or a folder
            of DOTA's Task1_*.txt.
        out: folder for `metrics.json`, `options.yaml`, `detections.json` and pictures of the worst
            cases.
        page: an HTML file with charts and crops of the errors.
        on_progress: called with pictures done and pictures in all.
        options: fields of `EvaluateOptions`: `tile_px`, `conf`, `map` = {class of the model: class
            of the data}, ...

    Raises:
        FileNotFoundError, ValueError: data or model cannot be read, an option is wrong, or model
            and data have no class in common.
    """
    chosen = EvaluateOptions.model_validate(options)
    source = LabelSource.of(data, images)
    if results is not None:
        return measure_results(Path(results), source, chosen, split=split, out=out, page=page)
    return measure_model(
        open_tile_model(
            model, class_names=class_names, network=network, device=device, backend=backend
        ),
        source,
        chosen,
        split=split,
        name=str(model),
        out=out,
        page=page,
        on_progress=on_progress,
    )


def compare(
    *entries: str | Path,
    data: str | Path | LabelSource | None = None,
    images: str | Path | None = None,
    split: str = "val",
    device: str = "auto",
    backend: str = "auto",
    on_progress: Callable[[str, int, int], None] | None = None,
    **options: Unpack[EvaluateKeywords],
) -> SideBySide:
    """Put models or results side by side, and say whether their difference is real.

    Args:
        entries: two or more: folders that `evaluate` or `train` wrote; with `data` also models and
            files of results. The first is what the others are compared with.
        data: as in `evaluate`, and so `images`, `split`, `device`, `backend` and `options`.
        on_progress: called with an entry that is predicted, its pictures done and in all.

    Returns:
        Its `differences` have a 95 % interval each, its `sentences` say which are real.

    Raises:
        FileNotFoundError, ValueError: an entry cannot be read, was measured on other labels, or
            needs `data` where there is none.
    """
    return compare_entries(
        [str(one) for one in entries],
        None if data is None else LabelSource.of(data, images),
        EvaluateOptions.model_validate(options),
        split=split,
        open_model=lambda one: open_tile_model(one, device=device, backend=backend),
        on_progress=on_progress,
    )
