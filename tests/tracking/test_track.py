"""The whole way: tracks of a moving camera, what is written, and runs that stop and go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from PIL import Image
from torch import Tensor

from smalldet.detections import Detections
from smalldet.inference.options import PredictOptions
from smalldet.inference.prediction_checkpoint import OtherRunError
from smalldet.tracking.found import Found, one_box_each, rounded
from smalldet.tracking.options import TrackOptions
from smalldet.tracking.track import TrackReport, track_frames
from tests.inference.conftest import SquareFinder
from tests.tracking.conftest import NUM_FRAMES, Flight


class CountingFinder(SquareFinder):
    """Counts the tiles that it was shown; dies after some."""

    def __init__(self, dies_after: int | None = None) -> None:
        self.num_tiles, self.dies_after = 0, dies_after

    def detect(self, images: Tensor, conf: float, max_detections: int) -> list[Detections]:
        self.num_tiles += len(images)
        if self.dies_after is not None and self.num_tiles > self.dies_after:
            raise KeyboardInterrupt
        return super().detect(images, conf, max_detections)


def track(
    flight: Flight,
    out: Path,
    model: SquareFinder | None = None,
    *,
    resume: bool = False,
    predicting: PredictOptions | None = None,
    **options: Any,
) -> TrackReport:
    chosen: dict[str, Any] = {"truth": flight.truth, "no_video": True, **options}
    return track_frames(
        flight.folder,
        out,
        TrackOptions.model_validate(chosen),
        open_model=lambda: model or SquareFinder(),
        predicting=predicting,
        resume=resume,
    )


@pytest.mark.parametrize("tracker", ["bytetrack", "ocsort", "cbiou"])
def test_each_tracker_follows_from_a_moving_camera(
    flight: Flight, tmp_path: Path, tracker: str
) -> None:
    report = track(flight, tmp_path / "out", tracker=tracker, min_frames=1)
    [every, very_tiny] = report.scores
    assert every.num_tracks == 5 and very_tiny.size == "very_tiny"
    assert every.num_switches == 0
    assert every.ass_a > 0.75 and every.mota > 0.75


def test_without_the_cameras_motion_tracks_break(flight: Flight, tmp_path: Path) -> None:
    """Guards the test above: the camera's motion is what joins them."""
    moved = track(flight, tmp_path / "a", buffer_px=1)
    still = track(flight, tmp_path / "b", buffer_px=1, no_camera_motion=True)
    assert moved.scores[0].hota > still.scores[0].hota + 0.3


def test_frames_come_in_natural_order_and_by_span(flight: Flight, tmp_path: Path) -> None:
    report = track(flight, tmp_path / "out", frames="2:10:4")
    assert [Path(frame.name).name for frame in report.frames] == [
        "frame2.png",
        "frame6.png",
        "frame10.png",
    ]


def test_a_broken_frame_is_named_and_the_rest_goes_on(flight: Flight, tmp_path: Path) -> None:
    (flight.folder / "frame4.png").write_bytes(b"no picture")
    report = track(flight, tmp_path / "out")
    assert report.exit_code == 1
    assert len(report.broken) == 1 and "frame4.png" in report.broken[0]
    assert len(report.frames) == NUM_FRAMES - 1
    assert report.scores[0].num_switches == 0  # they are found again behind the gap


def test_a_killed_run_goes_on_to_the_same_tracks(flight: Flight, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    once = CountingFinder()
    track(flight, whole, once)
    with pytest.raises(KeyboardInterrupt):
        track(flight, killed, CountingFinder(dies_after=once.num_tiles // 2))
    assert (killed / "tracks.txt").read_text() != ""  # what was done is not lost
    with (killed / "detections.txt").open("a") as text:
        text.write("7,-1,3.0")  # a line in part
    rest = CountingFinder()
    track(flight, killed, rest, resume=True)
    assert 0 < rest.num_tiles < once.num_tiles
    for name in ("tracks.txt", "detections.txt", "tracks.json", "metrics.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name


def test_another_run_is_not_gone_on_with(flight: Flight, tmp_path: Path) -> None:
    out = tmp_path / "out"
    track(flight, out)
    with pytest.raises(OtherRunError, match="another conf"):
        track(flight, out, resume=True, predicting=PredictOptions(conf=0.6))


def test_noted_detections_are_tracked_again_without_a_model(flight: Flight, tmp_path: Path) -> None:
    first = track(flight, tmp_path / "a")
    again = track(
        flight,
        tmp_path / "b",
        detections=tmp_path / "a" / "detections.txt",
        start_conf=SquareFinder.conf,
    )
    assert np.array_equal(first.tracks.ids, again.tracks.ids)
    assert (tmp_path / "a/tracks.txt").read_bytes() == (tmp_path / "b/tracks.txt").read_bytes()


def test_coco_json_names_tracks_and_reads_back_as_detections(
    flight: Flight, tmp_path: Path
) -> None:
    first = track(flight, tmp_path / "a")
    content = json.loads((tmp_path / "a/tracks.json").read_text())
    assert len(content["images"]) == NUM_FRAMES
    assert {one["track_id"] for one in content["annotations"]} == {
        one["id"] for one in content["tracks"]
    }
    again = track(
        flight,
        tmp_path / "b",
        detections=tmp_path / "a/tracks.json",
        truth=tmp_path / "a/tracks.json",
    )
    assert again.tracks.class_names == ("Car", "other-vehicle")
    assert again.scores[0].num_tracks == len(content["tracks"])
    assert len(first.tracks) == again.scores[0].num_boxes


def test_the_video_shows_every_frame_with_its_tracks(flight: Flight, tmp_path: Path) -> None:
    report = track(flight, tmp_path / "out", no_video=False, fps=10)
    path = tmp_path / "out" / "tracks.mp4"
    assert path in report.written and not list((tmp_path / "out").glob(".*"))
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert float(container.streams.video[0].average_rate or 0) == 10
    assert len(frames) == NUM_FRAMES
    plain = np.asarray(Image.open(flight.folder / "frame8.png"))
    changed = np.abs(frames[7].astype(int) - plain).max(axis=2) > 60
    assert changed.sum() > 100  # outlines, numbers and tails


def test_tracks_lie_on_the_map_of_the_first_frame(flight: Flight, tmp_path: Path) -> None:
    """Speeds are those on the ground, not those in the picture."""
    place = tmp_path / "place.tif"
    transform = Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)
    with rasterio.open(
        place, "w", driver="GTiff", width=8, height=8, count=1, dtype="uint8", crs="EPSG:32633",
        transform=transform,
    ) as file:  # fmt: skip
        file.write(np.ones((1, 8, 8), dtype=np.uint8))
    track(flight, tmp_path / "out", place=place, fps=10)
    collection = json.loads((tmp_path / "out/tracks.geojson").read_text())
    rng = np.random.default_rng(3)
    rng.integers(10, 110, (60, 80, 3), dtype=np.uint8)
    true = np.linalg.norm(rng.integers(-3, 4, (5, 2)), axis=1) * 0.5 * 10
    speeds = [one["properties"]["speed_m_s"] for one in collection["features"]]
    assert len(speeds) == 5
    assert sorted(speeds) == pytest.approx(sorted(true.tolist()), abs=0.6)
    assert all(one["geometry"]["type"] == "LineString" for one in collection["features"])


def test_few_frames_are_held_at_a_time(
    flight: Flight, tmp_path: Path, scenes: Callable[[], int]
) -> None:
    class Watching(SquareFinder):
        def detect(self, images: Tensor, conf: float, max_detections: int) -> list[Detections]:
            held.append(scenes())
            return super().detect(images, conf, max_detections)

    held: list[int] = []
    track(flight, tmp_path / "out", Watching())
    assert len(held) >= NUM_FRAMES and 0 < max(held) <= 2


def test_an_object_of_two_classes_is_one_track() -> None:
    """Trackers do not look at classes; the stronger class stays."""
    boxes = np.array([[0.0, 0, 8, 8], [1, 0, 9, 8], [30, 0, 38, 8]])
    found = one_box_each(Found(boxes, np.array([0.5, 0.9, 0.4]), np.array([0, 1, 0])))
    assert found.boxes.tolist() == boxes[1:].tolist() and found.labels.tolist() == [1, 0]


def test_scores_of_a_torch_model_end_in_the_same_columns() -> None:
    """Detections are float32; what is noted has two digits."""
    boxes = torch.tensor([[1.23456, 2.0, 3.0, 4.0]]).double().numpy()
    found = rounded(boxes, np.array([0.123456]), np.array([0]))
    assert found.boxes[0, 0] == 1.23 and found.scores[0] == 0.1235
