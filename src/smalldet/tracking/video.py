"""A video with the tracks drawn: boxes in the colours of their classes, numbers, tails."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from smalldet.atomic_write import errors_naming
from smalldet.imagery.drawing import class_colours, outline_boxes, write_text
from smalldet.tracking.camera import Transform, move_points

MAX_SIDE_PX = 3840
TAIL_S = 3.0
CODECS = ("libx264", "mpeg4")
QUALITY = {"crf": "20", "preset": "veryfast"}


class TrackVideo:
    """Draws frames and encodes them as they come; H.264, where it is there, else MPEG-4.

    Tails lie on the ground: they show where an object was, not where in the picture it was seen.

    Args:
        path: the file; whole when closed.
        fps: frames a second.
        num_classes: of the labels.
    """

    def __init__(self, path: Path, fps: float, num_classes: int) -> None:
        self.path, self._draft = path, path.with_name(f".{path.stem}.part{path.suffix}")
        self._rate = Fraction(fps).limit_denominator(1001)
        self._colours = class_colours(num_classes)
        self._tails: dict[int, deque[NDArray[np.float64]]] = {}
        self._labels: dict[int, int] = {}
        self._seen_s: dict[int, float] = {}
        self._container: Any = None
        self._stream: Any = None
        self._last_pts = -1

    def add(
        self,
        rgb: NDArray[np.uint8],
        ids: NDArray[np.int64],
        boxes: NDArray[np.float64],
        labels: NDArray[np.int64],
        to_first: Transform,
        time_s: float,
    ) -> None:
        """A frame with its tracked boxes, (N, 4) xyxy."""
        centres = move_points((boxes[:, :2] + boxes[:, 2:]) / 2, to_first)
        length = max(2, round(TAIL_S * float(self._rate)))
        for number, centre, label in zip(ids.tolist(), centres, labels.tolist(), strict=True):
            self._tails.setdefault(number, deque(maxlen=length)).append(centre)
            self._labels[number], self._seen_s[number] = label, time_s
        for number in [key for key, last_s in self._seen_s.items() if time_s - last_s > TAIL_S]:
            del self._tails[number], self._labels[number], self._seen_s[number]
        picture = Image.fromarray(rgb)
        scale = min(1.0, MAX_SIDE_PX / max(picture.size))
        if scale < 1:
            picture = picture.resize([max(2, round(side * scale)) for side in picture.size])
        from_first = np.linalg.inv(to_first).astype(np.float64)
        self._draw(picture, ids, boxes * scale, labels, from_first, scale)
        self._encode(picture, time_s)

    def close(self) -> None:
        """End the file and put it in its place."""
        if self._container is None:
            return
        with errors_naming(self.path, self._draft):
            for packet in self._stream.encode():
                self._container.mux(packet)
            self._container.close()
            self._draft.replace(self.path)

    def discard(self) -> None:
        """Leave no file behind."""
        if self._container is not None:
            self._container.close()
        self._draft.unlink(missing_ok=True)

    def _draw(
        self,
        picture: Image.Image,
        ids: NDArray[np.int64],
        boxes: NDArray[np.float64],
        labels: NDArray[np.int64],
        from_first: Transform,
        scale: float,
    ) -> None:
        draw = ImageDraw.Draw(picture)
        for number, tail in self._tails.items():
            points = (move_points(np.array(tail), from_first) * scale).tolist()
            for start, end in pairwise(points):
                draw.line((*start, *end), fill=self._colours[self._labels[number]], width=1)
        outline_boxes(draw, boxes, [self._colours[label] for label in labels.tolist()])
        for number, (_, y1, x2, _) in zip(ids.tolist(), boxes.tolist(), strict=True):
            write_text(draw, (x2 + 3, y1 - 6), str(number))

    def _encode(self, picture: Image.Image, time_s: float) -> None:
        if self._stream is None:
            self._open(*picture.size)
        container, stream = cast("tuple[Any, Any]", (self._container, self._stream))
        size = stream.width, stream.height
        if picture.size != size:  # an odd side, or pictures of different sizes
            picture = picture.crop((0, 0, *size))
        frame = av.VideoFrame.from_ndarray(np.asarray(picture))
        self._last_pts = max(self._last_pts + 1, round(time_s * float(self._rate)))
        frame.pts, frame.time_base = self._last_pts, 1 / self._rate
        for packet in stream.encode(frame):
            container.mux(packet)

    def _open(self, width: int, height: int) -> None:
        codec = next(name for name in CODECS if name in av.codecs_available)
        with errors_naming(self.path, self._draft):
            self._container = av.open(str(self._draft), "w")
        self._stream = self._container.add_stream(codec, rate=self._rate)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = QUALITY if codec == "libx264" else {"q:v": "3"}
