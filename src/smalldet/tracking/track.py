"""Tracking: from the frames of a video to tracks of small objects, and what is written of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from smalldet.atomic_write import write_text
from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.evaluation.size_ranges import SIZE_RANGES_PX, SizeRanges
from smalldet.inference.destinations import check_writable
from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor
from smalldet.tile_models import TileModel
from smalldet.tracking.coco_video import SeenFrame, write_coco_video
from smalldet.tracking.following import Follower
from smalldet.tracking.found import FileFinder, Finder, ModelFinder, one_box_each
from smalldet.tracking.frame_boxes import NO_TRACK, FrameBoxes, read_frame_boxes
from smalldet.tracking.frames import Frames, open_frames
from smalldet.tracking.map_lines import write_map_lines
from smalldet.tracking.mot_text import MotText
from smalldet.tracking.options import TrackOptions
from smalldet.tracking.positions import Positions
from smalldet.tracking.scoring import TrackScore, score_tracks
from smalldet.tracking.video import TrackVideo

WEAK_SHARE = 0.5
"""Of the score that begins a track: the least that continues one."""
FILE_CONF = 0.3
"""Score that begins a track where detections come from a file."""


@dataclass
class TrackReport:
    """What tracking found.

    Args:
        tracks: boxes of tracks, sorted by frame.
        frames: those that were looked at.
        broken: what could not be read, a sentence each.
        scores: against the truth, where it was given.
        remarks: what a person should know.
        written: files.
    """

    tracks: FrameBoxes
    frames: list[SeenFrame]
    broken: list[str] = field(default_factory=list)
    scores: list[TrackScore] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 if every frame was read, else 1."""
        return 1 if self.broken else 0


def _ignore(*_: object) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class TrackListener:
    """What is called on the way.

    Args:
        on_frame: with the frames done, their number in all (0 if unknown), and the tracks seen.
        on_broken: with what cannot be read.
    """

    on_frame: Callable[[int, int, int], None] = _ignore
    on_broken: Callable[[str], None] = _ignore


def track_frames(
    source: str | Path,
    out: Path,
    options: TrackOptions,
    *,
    open_model: Callable[[], TileModel],
    predicting: PredictOptions | None = None,
    imagery: ImageryOptions = USUAL,
    sizes: SizeRanges = SIZE_RANGES_PX,
    resume: bool = False,
    listener: TrackListener | None = None,
) -> TrackReport:
    """Find objects in the frames of a video and follow them.

    Frames are gone through once; a few are held at a time. Detections and tracks of each frame are
    in `detections.txt` and `tracks.txt` before the next one.

    Args:
        source: a video, or the pictures of a folder, a pattern or a list, in natural order.
        out: folder for all files.
        options: how detections become tracks.
        open_model: called if no detections are given.
        predicting: what is looked for in a frame, and how.
        imagery: how pictures are read.
        sizes: ranges of the scores.
        resume: go on with the same run where it was stopped; the outcome is the same.
        listener: told of what happens.

    Raises:
        FileNotFoundError: the source, or another file, does not exist.
        ValueError: nothing can be read, an option is wrong, or what is to be gone on with was
            another run. A frame that cannot be read is no error: see `TrackReport.broken`.
    """
    listener = listener or TrackListener()
    predicting = predicting or PredictOptions()
    check_writable(f"{out}/")
    out.mkdir(parents=True, exist_ok=True)
    predictor = None
    if options.detections is None:
        model = open_model()
        start_conf = options.start_conf or model.conf
        if predicting.conf is None:
            predicting = predicting.model_copy(update={"conf": start_conf * WEAK_SHARE})
        predictor = Predictor(model, predicting)
    else:
        start_conf = options.start_conf or FILE_CONF
    bands = imagery.bands or (None if predictor is None else predictor.usual_bands)
    frames = open_frames(source, options.fps, bands, imagery)
    truth = None if options.truth is None else read_frame_boxes(options.truth, frames)
    positions = Positions(still=options.no_camera_motion, place=options.place, imagery=imagery)
    follower = Follower(options, frames.fps / options.span.step, start_conf)
    finder = _finder(predictor, frames, out, options, predicting, imagery, resume)
    with closing(finder):
        run = _Run(frames, out, options, finder, follower, positions, listener)
        report = run.through()
    if truth is not None:
        numbers = [frame.number for frame in report.frames]
        report.scores = score_tracks(truth, report.tracks, numbers, sizes)
        path = out / "metrics.json"
        rows = [asdict(score) for score in report.scores]
        write_text(path, json.dumps({"by_size": rows}, indent=1) + "\n")
        report.written.append(path)
    return report


def _finder(
    predictor: Predictor | None,
    frames: Frames,
    out: Path,
    options: TrackOptions,
    predicting: PredictOptions,
    imagery: ImageryOptions,
    resume: bool,
) -> Finder:
    if predictor is None:
        assert options.detections is not None
        known = read_frame_boxes(options.detections, frames)
        return FileFinder(known, predicting.conf or 0.0, predicting.classes)
    facts: dict[str, Any] = {
        "model": predictor.model.fingerprint,
        "runtime": predictor.model.runtime,
        "source": Path(frames.name).absolute(),
        "num_frames": frames.num_frames,
        "span": tuple(options.span),
        **predicting.model_dump(),
        "tile_px": predictor.tile_px,
        **{f"imagery {key}": value for key, value in imagery.model_dump().items()},
    }
    if predicting.area is not None:
        facts["area"] = hashlib.sha256(predicting.area.read_bytes()).hexdigest()
    run = {key: str(value) for key, value in facts.items()}
    return ModelFinder(predictor, out, run, frames, resume=resume)


class _Run:
    """One pass over the frames."""

    def __init__(
        self,
        frames: Frames,
        out: Path,
        options: TrackOptions,
        finder: Finder,
        follower: Follower,
        positions: Positions,
        listener: TrackListener,
    ) -> None:
        self.frames, self.out, self.options = frames, out, options
        self.finder, self.follower, self.positions = finder, follower, positions
        self.listener = listener
        self.seen: list[SeenFrame] = []
        self.broken: list[str] = []
        self.parts: list[FrameBoxes] = []
        self.points: list[NDArray[np.float64]] = []
        self.ids: set[int] = set()

    def through(self) -> TrackReport:
        options, out = self.options, self.out
        text = MotText(out / "tracks.txt")
        video = None
        if not options.no_video:
            fps = self.frames.fps / options.span.step
            video = TrackVideo(out / "tracks.mp4", fps, len(self.finder.class_names))
        try:
            self._each_frame(text, video)
        except BaseException:
            if video is not None:
                video.discard()
            raise
        finally:
            text.close()
        if not self.seen:
            raise ValueError(f"{self.frames.name}: no frame could be read")
        report = TrackReport(self._tracks(), self.seen, self.broken)
        report.remarks = self.positions.remarks()
        report.written = [out / "tracks.txt"]
        if video is not None:
            video.close()
            report.written.append(video.path)
        self._write(report)
        return report

    def _each_frame(self, text: MotText, video: TrackVideo | None) -> None:
        names = self.finder.class_names
        span = self.options.span
        total = self.frames.num_frames or span.last or 0
        total = len(range(span.first, min(total, span.last or total) + 1, span.step))
        for frame in self.frames.read(span, self._note_broken):
            rgb = frame.rgb()
            found = one_box_each(self.finder.find(frame))
            to_first = self.positions.follow(frame, rgb, found.boxes)
            ids = self.follower.follow(found.boxes, found.scores, to_first, frame.time_s)
            rows = np.flatnonzero(ids != NO_TRACK)
            rows = rows[np.argsort(ids[rows])]
            ids, boxes = ids[rows], found.boxes[rows]
            scores, labels = found.scores[rows], found.labels[rows]
            text.add(frame.number, ids, boxes, scores, labels)
            if video is not None:
                video.add(rgb, ids, boxes, labels, to_first, frame.time_s)
            points = self.positions.on_map(frame, (boxes[:, :2] + boxes[:, 2:]) / 2)
            if points is not None:
                self.points.append(points)
            numbers = np.full(len(rows), frame.number)
            ignored = np.zeros(len(rows), dtype=np.bool_)
            self.parts.append(FrameBoxes(numbers, ids, boxes, scores, labels, names, ignored))
            height, width = rgb.shape[:2]
            self.seen.append(SeenFrame(frame.number, frame.name, width, height, frame.time_s))
            self.ids.update(ids.tolist())
            self.listener.on_frame(len(self.seen), total, len(self.ids))

    def _note_broken(self, why: str) -> None:
        self.broken.append(why)
        self.listener.on_broken(why)

    def _tracks(self) -> FrameBoxes:
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in self.parts])
            for name in ("frames", "ids", "boxes", "scores", "labels", "ignored")
        }
        tracks = FrameBoxes(**columns, class_names=self.finder.class_names)
        return replace(tracks, labels=class_of_most_score(tracks))

    def _write(self, report: TrackReport) -> None:
        tracks, out, wanted = report.tracks, self.out, self.options.format
        if "coco-video" in wanted:
            path = out / "tracks.json"
            write_coco_video(path, self.frames.name, self.frames.fps, self.seen, tracks)
            report.written.append(path)
        crs: CRS | None = self.positions.crs
        if "geojson" in wanted and crs is not None:
            times = {frame.number: frame.time_s for frame in self.seen}
            times_s = np.array([times[number] for number in tracks.frames.tolist()])
            path = out / "tracks.geojson"
            write_map_lines(path, tracks, np.concatenate(self.points), times_s, crs)
            report.written.append(path)


def class_of_most_score(tracks: FrameBoxes) -> NDArray[np.int64]:
    """(N,) for each box the class of its track: that of the greatest sum of scores."""
    if not len(tracks):
        return tracks.labels
    track = np.unique(tracks.ids, return_inverse=True)[1]
    sums = np.zeros((track.max() + 1, len(tracks.class_names)))
    np.add.at(sums, (track, tracks.labels), tracks.scores)
    return sums.argmax(axis=1)[track]
