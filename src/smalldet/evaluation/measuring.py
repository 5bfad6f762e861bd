"""What measures and compares on labels that are still to be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.read_labels import category_ids, read_labels
from smalldet.evaluation.contenders import gather
from smalldet.evaluation.evaluate import evaluate, evaluate_results
from smalldet.evaluation.kept import About
from smalldet.evaluation.options import EvaluateOptions
from smalldet.evaluation.report import Report
from smalldet.evaluation.result_files import read_results
from smalldet.evaluation.result_shapes import holds_masks
from smalldet.evaluation.side_by_side import SideBySide, check_number, side_by_side
from smalldet.tile_models import TileModel


def measure_model(
    model: TileModel,
    data: LabelSource,
    options: EvaluateOptions,
    *,
    split: str,
    name: str,
    out: Path | str | None = None,
    page: Path | str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """`evaluate` on labels to read, outlines too where the model finds them.

    Args:
        split: to read of labels in several parts.
        name: of the model, for the folder and the page.
    """
    truth = read_labels(data, split=split, with_masks=model.finds_masks)
    about = About(name, str(data.annotations))
    return evaluate(model, truth, options, out=out, page=page, about=about, on_progress=on_progress)


def measure_results(
    results: Path,
    data: LabelSource,
    options: EvaluateOptions,
    *,
    split: str,
    out: Path | str | None = None,
    page: Path | str | None = None,
) -> Report:
    """`evaluate_results` of a file or folder of results, on labels to read."""
    truth = read_labels(data, split=split, with_masks=holds_masks(results))
    found = read_results(results, truth, category_ids(data.annotations, split))
    about = About(str(results), str(data.annotations))
    return evaluate_results(found, truth, options, out=out, page=page, about=about)


def compare_entries(
    entries: Sequence[str],
    data: LabelSource | None,
    options: EvaluateOptions,
    *,
    split: str,
    open_model: Callable[[str], TileModel],
    on_progress: Callable[[str, int, int], None] | None = None,
) -> SideBySide:
    """`side_by_side` of what `gather` finds.

    Args:
        entries: as of `gather`, and so `open_model` and `on_progress`.
        data: labels to read; None takes those that the first folder keeps.
        options: how models predict, and what is measured.
        split: to read of labels in several parts.
    """
    check_number(len(entries))  # before anything is predicted
    gathered = gather(
        entries,
        None if data is None else read_labels(data, split=split),
        options,
        category_ids=None if data is None else category_ids(data.annotations, split),
        open_model=open_model,
        on_progress=on_progress,
    )
    return side_by_side(gathered, options)
