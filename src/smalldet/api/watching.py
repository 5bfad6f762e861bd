"""Follow objects from date to date, and from frame to frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from smalldet.api.keywords import IMAGERY, PredictPictureKeywords, shared_out
from smalldet.changing.change import compare_change
from smalldet.changing.options import ChangeKeywords, ChangeOptions
from smalldet.changing.report import ChangeReport
from smalldet.config.imagery import ImageryOptions
from smalldet.extras import check_installed
from smalldet.inference.options import PredictOptions
from smalldet.models import DEFAULT_MODEL, ClassNames
from smalldet.tile_models import open_tile_model
from smalldet.tracking import extra
from smalldet.tracking.options import TrackKeywords, TrackOptions

if TYPE_CHECKING:
    from smalldet.tracking.track import TrackReport

CHANGE = frozenset(ChangeKeywords.__annotations__)
TRACK = frozenset(TrackKeywords.__annotations__)


class ChangeDatesKeywords(ChangeKeywords, PredictPictureKeywords, total=False):
    """Options of a comparison of dates, and of the prediction of those that are pictures."""


class TrackFramesKeywords(TrackKeywords, PredictPictureKeywords, total=False):
    """Options of tracking, and of the prediction of frames."""


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
    own, imagery, others = shared_out(options, CHANGE, IMAGERY)
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

    own, imagery, others = shared_out(options, TRACK, IMAGERY)
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
