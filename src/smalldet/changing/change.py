"""The whole way: dates are read, compared, weighed, counted and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from smalldet.changing.counts import counts_layer, on_common_ground, over_time_layer
from smalldet.changing.dates import Dates, gather_dates
from smalldet.changing.estimate import Estimated, estimate
from smalldet.changing.layers import MapPlace, change_layer, has_points
from smalldet.changing.options import ChangeOptions
from smalldet.changing.output import check_output, write_layers
from smalldet.changing.periods import Period, compare_dates
from smalldet.changing.recall import Known
from smalldet.changing.report import ChangeReport, remarks_of
from smalldet.changing.scenes import predict_date
from smalldet.changing.zones import Zones, grouping, zones_of
from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.inference.options import PredictOptions
from smalldet.inference.predict import Listener
from smalldet.inference.writers.placing import SOURCE, WGS84, named_crs
from smalldet.tile_models import TileModel


def compare_change(
    origins: Sequence[str | Path],
    out: str | Path | None = None,
    options: ChangeOptions | None = None,
    *,
    open_model: Callable[[], TileModel],
    predicting: PredictOptions | None = None,
    imagery: ImageryOptions = USUAL,
    listener: Listener | None = None,
) -> ChangeReport:
    """What appeared, went, stayed, moved or was not seen between dates.

    Args:
        origins: of each date in order, a file of predictions or pictures.
        out: file to write: every format of maps, or `.csv`; nothing if None.
        options: of the comparison.
        open_model: opens what finds the objects of pictures; called where a date is pictures.
        predicting: what is looked for; its `conf`, `classes` and `area` hold for files of
            predictions too.
        imagery: how pictures are read.
        listener: told of predictions.

    Raises:
        FileNotFoundError, ValueError: a date cannot be read or has no place on a map, two
            neighbouring ones show no ground in common, or an option is wrong.
    """
    options, predicting = options or ChangeOptions(), predicting or PredictOptions()
    listener = listener or Listener()
    names = [str(origin) for origin in origins]
    target = None if options.crs in (None, SOURCE) else named_crs(str(options.crs))
    if out is not None:
        check_output(Path(out), names, options)
    known = Known.of(options.recall, options.metrics)
    models: list[TileModel] = []

    def predicted(origin: str):
        if not models:
            models.append(open_model())
        return predict_date(origin, models[0], predicting, imagery, listener)

    dates = gather_dates(names, options, predicted, predicting, imagery)
    periods = compare_dates(dates.dates, options)
    zones = zones_of(dates, periods, options.zones)
    kept = _kept(dates, periods)
    estimates = [
        _estimated(known, number, period, options, zones, kept[number])
        for number, period in enumerate(periods)
    ]
    place = MapPlace(
        dates.plane,
        _written_crs(dates) if target is None else target,
        options.geometry == "point" or has_points(periods),
    )
    changes = change_layer(periods, estimates, dates.class_names, place)
    tables = [
        counts_layer(one, dates, periods[0], kept[0], estimates[0].numbers[number])
        if len(periods) == 1
        else over_time_layer(
            one,
            dates,
            periods,
            [kept[0][0], *(pair[1] for pair in kept)],
            [estimated.numbers[number] for estimated in estimates],
        )
        for number, one in enumerate(zones)
    ]
    remarks = (*dates.remarks, *remarks_of(periods, known))
    whole, zoned = tables[0], tables[1:] or tables
    written = [] if out is None else write_layers(Path(out), changes, zoned, options)
    return ChangeReport(
        dates.class_names, periods, changes, whole, tuple(zoned), remarks, tuple(written)
    )


def _kept(
    dates: Dates, periods: Sequence[Period]
) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Which objects of each period count: of two dates all, of more those on common ground."""
    if len(periods) == 1:
        compared = periods[0].compared
        return [(np.ones(len(compared.old), np.bool_), np.ones(len(compared.new), np.bool_))]
    common = on_common_ground(dates.dates, periods)
    return list(pairwise(common))


def _estimated(
    known: Known,
    number: int,
    period: Period,
    options: ChangeOptions,
    zones: Sequence[Zones],
    kept: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> Estimated:
    registration = period.registration
    return estimate(
        period.compared,
        known,
        registration.scatter,
        registration.surroundings,
        period.reach_m,
        options.moved_within_m,
        [grouping(one, number, period, kept) for one in zones],
    )


def _written_crs(dates: Dates) -> CRS:
    """That of the first date where it has one, else longitude and latitude."""
    return dates.systems[0] if len(dates.systems) == 1 else WGS84
