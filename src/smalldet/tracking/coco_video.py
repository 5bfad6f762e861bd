"""Tracks as COCO json of a video, in TAO's form: videos, images, tracks, annotations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from smalldet.atomic_write import write_text
from smalldet.tracking.frame_boxes import FrameBoxes


class SeenFrame(NamedTuple):
    """A frame that was looked at."""

    number: int
    name: str
    width: int
    height: int
    time_s: float


def write_coco_video(
    path: Path, video: str, fps: float, frames: Sequence[SeenFrame], tracks: FrameBoxes
) -> None:
    """One video. Images are numbered as frames are, from 1; a track has one class, that of most of
    its scores; annotations name their track by `track_id` and `instance_id`."""
    ids, rows = np.unique(tracks.ids, return_index=True)
    content: dict[str, Any] = {
        "videos": [{"id": 1, "name": video, "fps": fps}],
        "images": [
            {
                "id": one.number,
                "video_id": 1,
                "frame_index": one.number - 1,
                "file_name": one.name,
                "width": one.width,
                "height": one.height,
                "time_s": round(one.time_s, 6),
            }
            for one in frames
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(tracks.class_names, 1)],
        "tracks": [
            {"id": number, "video_id": 1, "category_id": label + 1}
            for number, label in zip(ids.tolist(), tracks.labels[rows].tolist(), strict=True)
        ],
    }
    sides = tracks.boxes[:, 2:] - tracks.boxes[:, :2]
    boxes = np.concatenate([tracks.boxes[:, :2], sides], axis=1).round(2).tolist()
    columns = zip(
        tracks.frames.tolist(),
        tracks.ids.tolist(),
        (tracks.labels + 1).tolist(),
        boxes,
        sides.prod(axis=1).round(2).tolist(),
        tracks.scores.round(4).tolist(),
        strict=True,
    )
    content["annotations"] = [
        {
            "id": number,
            "image_id": frame,
            "video_id": 1,
            "track_id": track,
            "instance_id": track,
            "category_id": category,
            "bbox": box,
            "area": area,
            "score": score,
            "iscrowd": 0,
        }
        for number, (frame, track, category, box, area, score) in enumerate(columns, 1)
    ]
    write_text(path, json.dumps(content) + "\n")
