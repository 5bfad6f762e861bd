"""Dates that are pictures: their objects are found first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smalldet.changing.readings import Reading, of_results
from smalldet.changing.seen_ground import ground_of
from smalldet.config.imagery import ImageryOptions
from smalldet.imagery.gsd import Gsd
from smalldet.imagery.sources import find_sources
from smalldet.inference.gsd_matching import match_gsd
from smalldet.inference.options import PredictOptions
from smalldet.inference.predict import Listener, predict_sources
from smalldet.inference.results import Result
from smalldet.tile_models import TileModel


def predict_date(
    origin: str,
    model: TileModel,
    options: PredictOptions,
    imagery: ImageryOptions,
    listener: Listener,
) -> Reading:
    """Find the objects of pictures with a place on a map.

    Args:
        origin: a file, a folder, a pattern, or a list of pictures.
        model: finds them.
        options: what is looked for, and how.
        imagery: how files become scenes.
        listener: told of what happens.

    Raises:
        FileNotFoundError, ValueError: a picture cannot be read or has no place; names it.
    """
    sources = find_sources([origin], imagery)
    for source in sources:
        ground_of(source, imagery)
    outcome = predict_sources(model, [origin], None, options, imagery=imagery, listener=listener)
    if outcome.failures:
        raise ValueError(next(iter(outcome.failures.values())))
    names = outcome.results[0].classes or model.class_names
    reading = of_results(origin, outcome.results, tuple(sources), names)
    half_found = [_half_found_px(result, model, options) for result in outcome.results]
    return replace(reading, half_found_px=np.concatenate([np.zeros(0), *half_found]))


def _half_found_px(
    result: Result, model: TileModel, options: PredictOptions
) -> NDArray[np.float64]:
    """(N,) side in pixels of the picture from which on half of each object's class are found.

    As the model's own file says; NaN where it does not.
    """
    labels, seen = result.detections.labels.numpy(), model.seen
    if not seen.resolvable_px or options.scales != (1.0,):
        return np.full(len(labels), np.nan)
    sides = [np.nan if side is None else side for side in seen.resolvable_px]
    gsd = Gsd(result.gsd_m, "")
    looks = match_gsd(seen, model.class_names, gsd, rescale=not options.no_gsd_match).looks
    scale = np.sum([look.scale * look.classes.numpy() for look in looks], axis=0)
    return (np.array(sides) / scale)[labels]
