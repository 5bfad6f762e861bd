"""Dates: their objects on one map, what each has seen, and what a person should know of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from smalldet.changing.options import ChangeOptions
from smalldet.changing.plane import Objects, class_names_of, common_map, on_map
from smalldet.changing.prediction_files import is_predictions, read_predictions
from smalldet.changing.readings import Reading
from smalldet.changing.seen_ground import Pictures, Polygons, SeenGround, mask_of, mostly
from smalldet.class_names import class_key
from smalldet.columns import take
from smalldet.config.imagery import ImageryOptions
from smalldet.imagery.sources import FileSource, find_sources
from smalldet.inference.options import PredictOptions
from smalldet.inference.results import unique_stems
from smalldet.inference.writers.metric_map import MetricMap

PredictDate = Callable[[str], Reading]
"""The objects of pictures, by their name."""


@dataclass(frozen=True, eq=False)
class Date:
    """One date on the common map.

    Args:
        name: what it is called.
        objects: that were found, without those on ground that a mask hides.
        ground: that was seen.
    """

    name: str
    objects: Objects
    ground: SeenGround


@dataclass(frozen=True, eq=False)
class Dates:
    """All dates.

    Args:
        dates: in their order.
        class_names: of all of them.
        plane: the common map.
        systems: coordinate systems of the first date.
        remarks: what a person should know.
    """

    dates: tuple[Date, ...]
    class_names: tuple[str, ...]
    plane: MetricMap
    systems: tuple[object, ...]
    remarks: tuple[str, ...]


def gather_dates(
    origins: Sequence[str],
    options: ChangeOptions,
    predict_date: PredictDate,
    predicting: PredictOptions,
    imagery: ImageryOptions,
) -> Dates:
    """Read predictions, or make them, and put them on one map.

    Args:
        origins: files of predictions, or pictures.
        options: of the comparison.
        predict_date: finds the objects of pictures.
        predicting: its `conf`, `classes`, sizes and `area` hold for files of predictions too.
        imagery: how pictures are read.

    Raises:
        FileNotFoundError, ValueError: one cannot be read or has no place, or no two show the same
            ground.
    """
    if len(origins) < 2:
        raise ValueError("give two dates or more: files of predictions, or pictures")
    said = options.of_dates(len(origins))
    names = said.names or tuple(unique_stems(origins))
    remarks: list[str] = []
    readings = [
        _kept(_read(origin, pictures, predict_date, imagery), predicting)
        for origin, pictures in zip(origins, said.pictures, strict=True)
    ]
    remarks += [f"{one.origin}: {remark}" for one in readings for remark in one.remarks]
    readings, told = _comparable(readings, predicting.classes)
    remarks += told
    plane, class_names = common_map(readings), class_names_of(readings)
    area = None if predicting.area is None else Polygons(predicting.area, plane)
    dates: list[Date] = []
    for reading, mask, name in zip(readings, said.masks, names, strict=True):
        clouds = None if mask is None else mask_of(Path(mask), plane, options.mask_values)
        pictures = None if reading.pictures is None else Pictures(reading.pictures, plane, imagery)
        if pictures is None and area is None:
            remarks.append(
                f"{reading.origin}: nothing tells what was seen at this date, so all ground is "
                "taken as seen; name its pictures with --pictures, or --area"
            )
        ground = SeenGround(pictures, area, clouds)
        objects = on_map(reading, plane, class_names)
        kept = mostly(ground.unmasked, objects)
        if clouds is not None and not kept.all():
            remarks.append(
                f"{reading.origin}: {int((~kept).sum())} objects on masked ground are left out"
            )
        dates.append(Date(name, take(objects, kept), ground))
    _check_common_ground(origins, dates)
    return Dates(tuple(dates), class_names, plane, readings[0].systems, tuple(remarks))


def _read(
    origin: str, pictures: str | None, predict_date: PredictDate, imagery: ImageryOptions
) -> Reading:
    path = Path(origin)
    if not is_predictions(path):
        if pictures is not None:
            raise ValueError(f"{origin}: are pictures themselves; name none for them in --pictures")
        return predict_date(origin)
    folder = Path(pictures) if pictures is not None and Path(pictures).is_dir() else None
    reading = read_predictions(path, folder)
    if pictures is not None:
        return replace(reading, pictures=tuple(find_sources([pictures], imagery)))
    if reading.pictures is not None or not len(reading):
        return reading
    return replace(reading, pictures=_named_pictures(path, reading.sources, imagery))


def _named_pictures(
    path: Path, sources: NDArray[np.object_], imagery: ImageryOptions
) -> tuple[FileSource, ...] | None:
    """The pictures that a file of predictions names; None where one of them is not found."""
    found: list[FileSource] = []
    for name in np.unique(sources.astype(np.str_)).tolist():
        places = [Path(name), path.parent / name, path.parent / Path(name).name]
        there = next((place for place in places if name and place.exists()), None)
        if there is None:
            return None
        found += find_sources([there], imagery)
    return tuple(found)


def _kept(reading: Reading, predicting: PredictOptions) -> Reading:
    """The objects that are asked for, by score, size and class."""
    kept = reading.scores >= (predicting.conf or 0.0)
    if predicting.classes:
        wanted = {class_key(name) for name in predicting.classes}
        found, position = np.unique(reading.classes.astype(np.str_), return_inverse=True)
        asked = np.array([class_key(name) in wanted for name in found.tolist()], dtype=np.bool_)
        kept &= asked[position.reshape(-1)] if len(found) else kept
    return take(reading, kept)


def _comparable(readings: list[Reading], asked: Sequence[str]) -> tuple[list[Reading], list[str]]:
    """The readings without the classes that some date was not looked through for; remarks."""
    remarks: list[str] = []
    found = [
        {class_key(name): name for name in np.unique(one.classes.astype(np.str_)).tolist()}
        for one in readings
    ]
    known = [
        None if one.class_names is None else {class_key(name) for name in one.class_names}
        for one in readings
    ]
    everywhere = {key: name for names in found for key, name in names.items()}
    unknown = [name for name in asked if class_key(name) not in everywhere]
    if unknown and len(unknown) == len(asked) and all(keys is None for keys in known):
        raise ValueError(f"no date has an object of {unknown}; they have {[*everywhere.values()]}")
    dropped: set[str] = set()
    for key, name in everywhere.items():
        lacking = [
            reading.origin
            for reading, names, keys in zip(readings, found, known, strict=True)
            if key not in names and (keys is None or key not in keys)
        ]
        ignorant = [
            reading.origin
            for reading, keys in zip(readings, known, strict=True)
            if keys is not None and key not in keys
        ]
        if ignorant:
            dropped.add(key)
            remarks.append(f"{name} was not looked for at {', '.join(ignorant)}: left out")
        elif lacking and any(len(one) for one in readings if one.origin in lacking):
            remarks.append(
                f"no {name} was found at {', '.join(lacking)}; if it was not looked for there, "
                "leave it out with --classes"
            )
    if not dropped:
        return readings, remarks
    return [
        take(one, np.array([class_key(name) not in dropped for name in one.classes], np.bool_))
        for one in readings
    ], remarks


def _check_common_ground(origins: Sequence[str], dates: Sequence[Date]) -> None:
    """Neighbouring dates must show some ground in common, as far as is known."""
    for k in range(len(dates) - 1):
        shown = [_shown(date) for date in dates[k : k + 2]]
        if shown[0] is None or shown[1] is None:
            continue
        if not len(shapely.STRtree(shown[0]).query(shown[1], predicate="intersects")[0]):
            first, second = (shapely.total_bounds(one).reshape(2, 2).mean(axis=0) for one in shown)
            km = float(np.linalg.norm(first - second)) / 1000
            raise ValueError(
                f"{origins[k]} and {origins[k + 1]} show no ground in common: they lie {km:.3g} km "
                "apart"
            )


def _shown(date: Date) -> NDArray[np.object_] | None:
    """Shapes of the ground that a date shows, at the least; None where it has no objects."""
    if date.ground.pictures is not None:
        return date.ground.pictures.outlines
    if not len(date.objects):
        return None
    return np.array([shapely.box(*shapely.total_bounds(date.objects.shapes))], dtype=object)
