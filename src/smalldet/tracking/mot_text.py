"""MOT text as it is written: a line for each box, a frame at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray


class MotText:
    """`frame,id,left,top,width,height,score,class,-1,-1`, classes counted from 1.

    The lines of a frame reach the file together, so that a run that is killed leaves whole frames
    but for its last.

    Args:
        path: the file.
        begin: at its beginning, else at its end.
    """

    def __init__(self, path: Path, *, begin: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("w" if begin else "a", encoding="utf-8", newline="\n")

    @classmethod
    def cut_before_last_frame(cls, path: Path) -> MotText:
        """Goes on with a file behind its last but one frame, as the last may be there in part."""
        lines = path.read_bytes().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        if lines:
            last = lines[-1].split(b",", 1)[0]
            while lines and lines[-1].split(b",", 1)[0] == last:
                lines.pop()
        with path.open("r+b") as file:
            file.truncate(sum(map(len, lines)))
        return cls(path, begin=False)

    def add(
        self,
        frame: int,
        ids: NDArray[np.int64],
        boxes: NDArray[np.float64],
        scores: NDArray[np.float64],
        labels: NDArray[np.int64],
    ) -> None:
        """Boxes of one frame, (N, 4) xyxy."""
        sides = boxes[:, 2:] - boxes[:, :2]
        rows = zip(
            ids.tolist(),
            np.concatenate([boxes[:, :2], sides], axis=1).tolist(),
            scores.tolist(),
            (labels + 1).tolist(),
            strict=True,
        )
        text = "".join(
            f"{frame},{number},{x:.2f},{y:.2f},{w:.2f},{h:.2f},{score:.4f},{label},-1,-1\n"
            for number, (x, y, w, h), score, label in rows
        )
        self._file.write(text)
        self._file.flush()

    def close(self) -> None:
        self._file.close()
