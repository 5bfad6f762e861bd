"""What is compared: folders of measurements, files of results, and models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from smalldet.data.index import Index
from smalldet.evaluation.dota_results import is_dota_results
from smalldet.evaluation.evaluate import measuring_predictor, predict_all
from smalldet.evaluation.kept import ABOUT, Kept, fingerprint, read_kept
from smalldet.evaluation.options import EvaluateOptions
from smalldet.evaluation.result_files import read_results
from smalldet.models.detector import Detector
from smalldet.tile_models import TileModel


def gather(
    entries: Sequence[str],
    truth: Index | None,
    options: EvaluateOptions,
    *,
    category_ids: Sequence[int] | None = None,
    open_model: Callable[[str], TileModel],
    on_progress: Callable[[str, int, int], None] | None = None,
) -> list[Kept]:
    """The detections of each entry, all over one truth.

    Args:
        entries: folders that `evaluate --out` or `train` wrote, `.json` files of results, DOTA's
            folders of results, models.
        truth: labelled pictures; None takes those that the first folder keeps.
        options: how models predict.
        category_ids: that lists of results have for each class of the truth.
        open_model: gives the tile model of an entry.
        on_progress: called with an entry that is predicted, its pictures done and in all.

    Raises:
        FileNotFoundError, ValueError: an entry cannot be read, was measured on other labels, or
            needs a truth where there is none.
    """
    folders = {one: read_kept(Path(one)) for one in entries if _is_kept(one)}
    if truth is None:
        if not folders:
            raise ValueError(
                f"{entries[0]}: is no folder of `evaluate --out` or `train`; say with --data what "
                "to measure it on"
            )
        truth = next(iter(folders.values())).truth
        wanted = next(iter(folders.values())).truth_sha256
    else:
        wanted = fingerprint(truth)
    for one, kept in folders.items():
        if kept.truth_sha256 != wanted:
            raise ValueError(
                f"{one}: was measured on other labels ({_size(kept.truth)}) than the rest "
                f"({_size(truth)}); measure it again on the same, or give --data and models"
            )
    gathered: list[Kept] = []
    for one in entries:
        if one in folders:
            gathered.append(folders[one])
        elif Path(one).suffix == ".json" or is_dota_results(Path(one)):
            results = read_results(Path(one), truth, category_ids)
            kept = Kept(truth, results.detections, options.map, one, "", Detector.conf, wanted)
            gathered.append(kept)
        else:
            model = open_model(one)
            told = None if on_progress is None else _for_entry(on_progress, one)
            found = predict_all(measuring_predictor(model, options), truth, told)
            gathered.append(Kept(truth, found, options.map, one, "", model.conf, wanted))
    return gathered


def _is_kept(entry: str) -> bool:
    folder = Path(entry)
    if not folder.is_dir() or (folder / ABOUT).is_file():
        return folder.is_dir()
    if is_dota_results(folder):
        return False
    best = folder / "best.safetensors"
    if best.exists():
        raise FileNotFoundError(
            f"{folder}: is a training that kept no detections; give {best} and --data instead"
        )
    return False  # an exported model


def _for_entry(
    on_progress: Callable[[str, int, int], None], entry: str
) -> Callable[[int, int], None]:
    return lambda done, total: on_progress(entry, done, total)


def _size(truth: Index) -> str:
    return f"{len(truth):,} pictures, {sum(truth.counts().values()):,} objects"
