"""Options of tracking as values: described, checked, and without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict, get_args

from pydantic import Field, field_validator

from smalldet.config.base import Frozen

TrackerName = Literal["bytetrack", "ocsort", "cbiou"]
"""Keys of `tracking.following.TRACKERS`, which needs the library to be read."""

TrackFormat = Literal["mot", "coco-video", "geojson"]


class TrackOptions(Frozen):
    """How detections of frames become tracks, and what is written of them."""

    tracker: TrackerName = Field(
        default="bytetrack", description="How boxes are joined: bytetrack, ocsort, cbiou."
    )
    buffer_frac: float = Field(
        default=0.3,
        ge=0,
        description="Boxes are compared by their overlap after growing on every side by this share "
        "of their own side; 0 is plain IoU.",
    )
    buffer_px: float = Field(
        default=4.0, ge=0, description="They grow by at least this, so that tiny ones can meet, px."
    )
    no_camera_motion: bool = Field(
        default=False, description="Take the camera for fixed, and do not look how it moved."
    )
    start_conf: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Least score of a detection that begins a track; the model's own if not given. "
        "Weaker ones, down to --conf (half of it if not given), only continue tracks.",
    )
    min_frames: int = Field(
        default=3, ge=1, description="Frames in a row in which an object is seen before it counts."
    )
    lost_s: float = Field(
        default=1.0, gt=0, description="Seconds for which a lost object is looked for."
    )
    frames: str | None = Field(
        default=None,
        description="Which frames, counted from 1: first:last:step, such as 1:500, 100: or ::5.",
    )
    fps: float | None = Field(
        default=None,
        gt=0,
        description="Frames a second; what a video says, or 30 for pictures, if not given.",
    )
    detections: Path | None = Field(
        default=None,
        description="Track these instead of a model's: MOT text, or COCO json whose pictures are "
        "called as the frames are.",
    )
    truth: Path | None = Field(
        default=None,
        description="True tracks to compare with: MOT text, or COCO json with track_id.",
    )
    place: Path | None = Field(
        default=None,
        description="A picture with a place on a map, such as a GeoTIFF, whose pixels are those of "
        "the first frame.",
    )
    format: tuple[TrackFormat, ...] = Field(
        default=get_args(TrackFormat),
        description="What is written of the tracks: mot, coco-video, geojson; all if not given, "
        "geojson where frames have a place.",
    )
    no_video: bool = Field(default=False, description="Write no video with the tracks drawn.")

    @field_validator("frames")
    @classmethod
    def _a_span(cls, frames: str | None) -> str | None:
        parse_span(frames)
        return frames

    @property
    def span(self) -> Span:
        """The frames that are looked at."""
        return parse_span(self.frames)


class Span(NamedTuple):
    """Frames by their numbers from 1, both ends included; `last` None is the end."""

    first: int = 1
    last: int | None = None
    step: int = 1

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int) or number < self.first:
            return False
        return not self.ends_before(number) and (number - self.first) % self.step == 0

    def ends_before(self, number: int) -> bool:
        """Whether no frame from this one on is meant."""
        return self.last is not None and number > self.last


def parse_span(text: str | None) -> Span:
    """`first:last:step`, each of which may be missing.

    Raises:
        ValueError: it is not that, or no frame is meant.
    """
    if text is None:
        return Span()
    parts = text.split(":")
    try:
        numbers = [int(part) if part.strip() else None for part in parts]
    except ValueError:
        numbers = []
    if not 2 <= len(numbers) <= 3:
        raise ValueError(f"frames are first:last:step, such as 1:500 or ::5, not {text!r}")
    first, last, step = (*numbers, None)[:3]
    span = Span(1 if first is None else first, last, 1 if step is None else step)
    if span.first < 1 or span.step < 1 or (span.last is not None and span.last < span.first):
        raise ValueError(f"frames {text!r}: they are counted from 1, upwards")
    return span


class TrackKeywords(TypedDict, total=False):
    """Fields of `TrackOptions` as keyword arguments."""

    tracker: TrackerName
    buffer_frac: float
    buffer_px: float
    no_camera_motion: bool
    start_conf: float | None
    min_frames: int
    lost_s: float
    frames: str | None
    fps: float | None
    detections: Path | str | None
    truth: Path | str | None
    place: Path | str | None
    format: Sequence[TrackFormat]
    no_video: bool
