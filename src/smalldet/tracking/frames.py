"""Frames: of a video, or pictures in their order, one at a time."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.imagery import Scene, open_scene
from smalldet.imagery.sources import PICTURE_SUFFIXES, expand_sources
from smalldet.tracking.options import Span

PICTURES_FPS = 30.0

Told = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame, open until the next one is asked for.

    Args:
        number: from 1.
        name: of its file; of a frame of a video, `frame NUMBER`.
        time_s: seconds since the first frame; rises from frame to frame.
        scene: its pixels and place.
    """

    number: int
    name: str
    time_s: float
    scene: Scene

    def rgb(self) -> NDArray[np.uint8]:
        """(H, W, 3) of the first three bands, or of the first alone."""
        pixels = self.scene.read((0, 0, self.scene.width, self.scene.height))
        shown = pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, axis=0)
        return np.ascontiguousarray(np.moveaxis(shown, 0, 2))


class Frames(Protocol):
    """Where frames come from.

    Attributes:
        name: the file or folder.
        fps: frames a second.
        num_frames: as far as known.
    """

    name: str
    fps: float
    num_frames: int | None

    def read(self, span: Span, on_broken: Told) -> Iterator[Frame]:
        """The frames of a span in order; those that cannot be read are told and left out."""
        ...

    def number_of(self, name: str) -> int | None:
        """The number of the frame whose file is called so, with or without ending or folder."""
        ...


def open_frames(
    source: str | Path,
    fps: float | None = None,
    bands: Sequence[int] | None = None,
    imagery: ImageryOptions = USUAL,
) -> Frames:
    """The frames of a video, or the pictures of a folder, a pattern or a list, in natural order.

    Args:
        source: a file that is no picture is a video.
        fps: frames a second, instead of what the video says.
        bands: of pictures.
        imagery: how pictures are read.

    Raises:
        FileNotFoundError: there is no such file, or no picture.
        ValueError: it cannot be read as a video.
    """
    path = Path(source)
    if path.is_file() and path.suffix.lower() not in PICTURE_SUFFIXES:
        return VideoFrames(path, fps)
    paths = sorted(expand_sources([source]), key=natural_key)
    return PictureFrames(str(source), paths, fps or PICTURES_FPS, bands, imagery)


class VideoFrames:
    """The frames of a video file, decoded one after the other."""

    def __init__(self, path: Path, fps: float | None = None) -> None:
        self.name = str(path)
        with _opened(self.name) as container:
            stream = container.streams.video[0]
            said = stream.average_rate or stream.guessed_rate
            self.num_frames: int | None = stream.frames or None
        if fps is None and not said:
            raise ValueError(f"{path}: does not say its frames a second; name them by --fps")
        self.fps = float(said) if fps is None else fps
        self._by_stamps = fps is None

    def number_of(self, name: str) -> int | None:
        found = re.fullmatch(r"(?:frame )?0*([1-9][0-9]*)", Path(name).stem)
        return int(found[1]) if found else None

    def read(self, span: Span, on_broken: Told) -> Iterator[Frame]:
        number, begin_s, time_s = 0, None, -1.0 / self.fps
        with _opened(self.name) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for picture in _decoded(container, stream):
                number += 1
                if span.ends_before(number):
                    return
                if isinstance(picture, str):
                    on_broken(f"{self.name}: frame {number} {picture}")
                    continue
                stamp_s = picture.time if self._by_stamps else (number - 1) / self.fps
                if begin_s is None:
                    begin_s = stamp_s or 0.0
                since_s = math.nan if stamp_s is None else stamp_s - begin_s
                # stamps may be missing, stand still or go back
                time_s = since_s if since_s > time_s else time_s + 1 / self.fps
                if number in span:
                    scene = open_scene(picture.to_ndarray(format="rgb24"))
                    scene.name = f"frame {number}"
                    yield Frame(number, scene.name, time_s, scene)


class PictureFrames:
    """Pictures as frames."""

    def __init__(
        self,
        name: str,
        paths: Sequence[str],
        fps: float,
        bands: Sequence[int] | None,
        imagery: ImageryOptions,
    ) -> None:
        self.name, self.fps = name, fps
        self.num_frames: int | None = len(paths)
        self._paths, self._bands, self._imagery = paths, bands, imagery
        self._numbers: dict[str, int] = {}
        for number, path in enumerate(paths, 1):
            for known in (path, Path(path).name, Path(path).stem):
                self._numbers.setdefault(known, number)

    def number_of(self, name: str) -> int | None:
        for known in (name, Path(name).name, Path(name).stem):
            if known in self._numbers:
                return self._numbers[known]
        return None

    def read(self, span: Span, on_broken: Told) -> Iterator[Frame]:
        for number, path in enumerate(self._paths, 1):
            if number not in span:
                continue
            try:
                scene = open_scene(path, self._bands, options=self._imagery)
            except (OSError, ValueError) as error:
                on_broken(str(error))
                continue
            with scene:
                yield Frame(number, path, (number - 1) / self.fps, scene)


def natural_key(text: str) -> list[tuple[int, int | str]]:
    """Sorts `frame9` before `frame10`."""
    parts = re.split(r"([0-9]+)", text)
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts]


def _opened(name: str) -> Any:
    try:
        container = av.open(name)
    except FFmpegError as error:
        raise ValueError(f"{name}: cannot be read as a video ({error.strerror})") from error
    if not container.streams.video:
        container.close()
        raise ValueError(f"{name}: holds no video, only {len(container.streams)} other streams")
    return container


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded pictures; in the place of one that cannot be used, words of why."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except FFmpegError as error:
            yield f"and what follows cannot be read ({error.strerror})"
            return
        try:
            for picture in packet.decode():
                yield "is damaged" if picture.is_corrupt else picture
        except FFmpegError as error:
            yield f"cannot be decoded ({error.strerror})"
