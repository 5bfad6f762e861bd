"""The verb that follows objects through videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from smalldet.cli.opening import model_opener
from smalldet.cli.parameters import (
    DEFAULT_MODEL,
    FLATTENED,
    Backend,
    ClassNames,
    Device,
    Model,
    Network,
    Sizes,
)
from smalldet.cli.predicting import DEFAULTS
from smalldet.cli.printing import complain, console, note, progress_bar, say
from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.evaluation.size_ranges import read_sizes
from smalldet.extras import check_installed
from smalldet.inference.options import PredictOptions
from smalldet.tracking import extra
from smalldet.tracking.options import TrackOptions

if TYPE_CHECKING:
    from rich.table import Table

    from smalldet.tracking.scoring import TrackScore

DEFAULT_TRACKING = TrackOptions()


def track(
    source: Annotated[
        str,
        Parameter(help="A video, or the frames as pictures: a folder or a pattern, by name."),
    ],
    *,
    out: Annotated[Path, Parameter(help="Folder for tracks, detections and video.")],
    model: Model = DEFAULT_MODEL,
    options: Annotated[TrackOptions, FLATTENED] = DEFAULT_TRACKING,
    predicting: Annotated[PredictOptions, FLATTENED] = DEFAULTS,
    class_names: ClassNames = None,
    network: Network = None,
    device: Device = "auto",
    backend: Backend = "auto",
    imagery: Annotated[ImageryOptions, FLATTENED] = USUAL,
    sizes: Sizes = "default",
    resume: Annotated[
        bool, Parameter(help="Go on with a run that was stopped.", negative="")
    ] = False,
) -> None:
    """Follow small objects through the frames of a video."""
    check_installed("track", extra.NEEDED, extra.EXTRA)
    from smalldet.tracking.track import TrackListener, track_frames

    ranges, unit = read_sizes(sizes)
    if unit != "px":
        raise ValueError(f"--sizes {sizes}: tracks are measured in pixels")
    with progress_bar() as advance:
        listener = TrackListener(
            on_frame=lambda done, total, num: advance(done, total, f"{num} tracks"),
            on_broken=complain,
        )
        report = track_frames(
            source,
            out,
            options,
            open_model=model_opener(model, class_names, network, device, backend),
            predicting=predicting,
            imagery=imagery,
            sizes=ranges,
            resume=resume,
            listener=listener,
        )
    for remark in report.remarks:
        note(remark)
    num_tracks = len(set(report.tracks.ids.tolist()))
    say(f"{source}: {len(report.frames)} frames, {num_tracks} tracks, {len(report.tracks)} boxes")
    if report.scores:
        console.print(score_table(report.scores))
    for path in report.written:
        say(f"Written: {path}")
    if report.exit_code:
        raise SystemExit(report.exit_code)


def score_table(scores: list[TrackScore]) -> Table:
    """Scores of tracks for people."""
    from rich.table import Table

    table = Table(title="Tracks against the truth", title_justify="left")
    table.add_column("size")
    for header in ("tracks", "boxes", "HOTA", "DetA", "AssA", "MOTA", "IDF1", "switches"):
        table.add_column(header, justify="right")
    for one in scores:
        shares = (one.hota, one.det_a, one.ass_a, one.mota, one.idf1)
        table.add_row(
            one.size.replace("_", " "),
            str(one.num_tracks),
            str(one.num_boxes),
            *(f"{100 * share:.1f}" for share in shares),
            str(one.num_switches),
        )
    return table
