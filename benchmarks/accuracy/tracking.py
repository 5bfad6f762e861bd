"""What tiles, trackers, buffers and the camera's motion do for tracks of small vehicles.

    python -m benchmarks.accuracy.tracking [--folder runs/flight] [--frames 60] [--seed 1]

Draws a flight over a town (`benchmarks.accuracy.flight`), finds its vehicles by the embedded
aerial model in tiles and in whole frames, and follows them. Detections are noted in the folder, so
that a second run takes seconds. Rows of a markdown table are printed as they are measured: HOTA,
MOTA and IDF1 of all vehicles, and HOTA (DetA, AssA) by size.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from cyclopts import run

from benchmarks.accuracy.flight import FPS, HEIGHT, WIDTH, draw_flight
from smalldet.inference.options import PredictOptions
from smalldet.tile_models import open_tile_model
from smalldet.tracking.options import TrackOptions
from smalldet.tracking.track import track_frames

GSD_M = 0.4
MODEL = "speck-n-aerial"
WAYS = {
    "tiles of 640 px": PredictOptions(gsd_m=GSD_M),
    "whole frame": PredictOptions(whole=True),
    "whole frame shrunk to 640 px": PredictOptions(scales=(640 / WIDTH,)),
}
TRACKINGS: dict[str, dict[str, Any]] = {
    **{
        f"{name}{', camera taken for still' if still else ''}": {
            "tracker": name,
            "no_camera_motion": still,
        }
        for name in ("bytetrack", "ocsort", "cbiou")
        for still in (False, True)
    },
    "bytetrack, plain IoU": {"buffer_frac": 0.0, "buffer_px": 0.0},
    "bytetrack, buffer 0.3 of the side": {"buffer_px": 0.0},
    "bytetrack, buffer 4 px": {"buffer_frac": 0.0},
}
SIZES = ("very_tiny", "tiny", "small")


def main(folder: Path = Path("runs/flight"), frames: int = 60, seed: int = 1) -> None:
    video, truth = folder / "flight.mp4", folder / "gt.txt"
    if not truth.exists():
        write_flight(folder, frames, seed)
    print("| detection and tracking | HOTA | MOTA | IDF1 | switches | very tiny | tiny | small |")
    print("|---|" + "---|" * 7)
    conf = open_tile_model(MODEL).conf
    for way, predicting in WAYS.items():
        out = folder / way.replace(" ", "_")
        options = TrackOptions(truth=truth, no_video=True)
        report = track_frames(
            video,
            out,
            options,
            open_model=lambda: open_tile_model(MODEL),
            predicting=predicting,
            resume=True,
        )
        tell(way, report.scores)
    detections = folder / next(iter(WAYS)).replace(" ", "_") / "detections.txt"
    for name, changed in TRACKINGS.items():
        options = TrackOptions(
            truth=truth, no_video=True, detections=detections, start_conf=conf, **changed
        )
        report = track_frames(
            video, folder / "again", options, open_model=lambda: open_tile_model(MODEL)
        )
        tell(name, report.scores)


def write_flight(folder: Path, num_frames: int, seed: int) -> None:
    """`flight.mp4` and `gt.txt`, MOT text."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    with av.open(str(folder / "flight.mp4"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(FPS))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "16"}
        for number, frame in enumerate(draw_flight(num_frames, seed), 1):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.pixels)))
            rows = zip(frame.ids.tolist(), frame.boxes.tolist(), frame.labels.tolist(), strict=True)
            lines += [
                f"{number},{vehicle},{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},1,{label + 1},1"
                for vehicle, (x1, y1, x2, y2), label in rows
            ]
        container.mux(stream.encode())
    (folder / "gt.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def tell(name: str, scores: list[Any]) -> None:
    by_size = {one.size: one for one in scores}
    every = by_size["all"]
    sums = f"{100 * every.hota:.1f} | {100 * every.mota:.1f} | {100 * every.idf1:.1f}"
    cells = [
        f"{100 * one.hota:.1f} ({100 * one.det_a:.0f}, {100 * one.ass_a:.0f})"
        for one in (by_size.get(size) for size in SIZES)
        if one is not None
    ]
    print(f"| {name} | {sums} | {every.num_switches} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    run(main)
