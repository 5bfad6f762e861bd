"""Spans, texts, frames, boxes that grow, scores on the library's scale, the camera's motion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from smalldet.tracking.camera import CameraMotion, move_points, warp_boxes
from smalldet.tracking.following import STRONG, BufferedIoU, library_scores
from smalldet.tracking.frame_boxes import read_frame_boxes
from smalldet.tracking.frames import natural_key, open_frames
from smalldet.tracking.map_lines import smoothed
from smalldet.tracking.mot_text import MotText
from smalldet.tracking.options import Span, parse_span
from tests.tracking.conftest import Flight, ground


@given(st.integers(1, 50), st.none() | st.integers(0, 50), st.integers(1, 9))
def test_a_span_holds_what_a_range_does(first: int, more: int | None, step: int) -> None:
    last = None if more is None else first + more
    span = parse_span(f"{first}:{'' if last is None else last}:{step}")
    inside = [number for number in range(120) if number in span]
    assert inside == list(range(first, 120 if last is None else last + 1, step))


@pytest.mark.parametrize("text", ["5", "0:3", "9:3", "1:2:0", "a:b", "1:2:3:4"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="frames"):
        parse_span(text)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 9),
            st.floats(-50, 5000),
            st.floats(-50, 5000),
            st.floats(0, 300),
            st.floats(0, 1),
            st.integers(0, 3),
        )
    )
)
def test_mot_text_reads_back(tmp_path_factory: pytest.TempPathFactory, rows: list[object]) -> None:
    path = tmp_path_factory.mktemp("mot") / "boxes.txt"
    table = np.array(sorted(rows, key=lambda row: row[0]), dtype=np.float64).reshape(-1, 6)  # pyright: ignore
    corners = table[:, 1:3].round(2)
    boxes = np.concatenate([corners, corners + table[:, 3:4].round(2)], axis=1)
    labels = table[:, 5].astype(np.int64)
    text = MotText(path)
    for frame in np.unique(table[:, 0]).astype(int).tolist():
        of = table[:, 0] == frame
        text.add(frame, np.arange(of.sum()), boxes[of], table[of, 4], labels[of])
    text.close()
    read = read_frame_boxes(path, None, ("a", "b", "c", "d"))  # pyright: ignore
    assert np.array_equal(read.frames, table[:, 0])
    assert np.allclose(read.boxes, boxes, atol=0.0051)
    assert np.array_equal(read.labels, labels)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1,2,3", "line 2 is not MOT text"),
        ("0,1,2,3,4,5", "counted from 1"),
        ("1,1,2,3,-4,5", "negative side"),
        ("1,1,2,nan,4,5", "line 2 is not MOT text"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "gt.txt"
    path.write_text(f"1,1,2,3,4,5,1\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        read_frame_boxes(path, None)  # pyright: ignore


def test_frame_9_comes_before_frame_10() -> None:
    assert sorted(["f10.png", "f9.png", "f1.png"], key=natural_key)[-1] == "f10.png"


def write_video(path: Path, num_frames: int, fps: int = 5) -> None:
    rng = np.random.default_rng(0)
    town = ground(rng)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(num_frames):
            pixels = town[:120, number : number + 160].copy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode())


def test_a_video_gives_its_frames_by_its_clock(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 10)
    frames = open_frames(tmp_path / "a.mp4")
    assert (frames.fps, frames.num_frames) == (5, 10)
    read = [(one.number, one.time_s) for one in frames.read(Span(2, 9, 3), print)]
    assert read == [(2, pytest.approx(0.2)), (5, pytest.approx(0.8)), (8, pytest.approx(1.4))]


def test_a_video_is_not_held(tmp_path: Path, scenes: Callable[[], int]) -> None:
    """Whatever its length, a frame or two are there at a time."""
    write_video(tmp_path / "a.mp4", 40)
    held = [scenes() for _ in open_frames(tmp_path / "a.mp4").read(Span(), print)]
    assert len(held) == 40 and 0 < max(held) <= 2


def test_damage_in_a_video_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    write_video(path, 30)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = b"\xff" * 600
    path.write_bytes(content)
    told: list[str] = []
    numbers = [one.number for one in open_frames(path).read(Span(), told.append)]
    assert len(numbers) >= 20
    assert len(numbers) == 30 or any("frame" in why for why in told)


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no video" * 100)
    with pytest.raises(ValueError, match=r"a\.mp4: cannot be read as a video"):
        open_frames(path)


def test_tiny_boxes_meet_by_their_least_buffer() -> None:
    a, b = np.array([[0.0, 0, 5, 5]]), np.array([[8.0, 0, 13, 5]])
    assert BufferedIoU(0.3, 0).compute(a, b)[0, 0] == pytest.approx(0.0, abs=1e-3)
    assert BufferedIoU(0.3, 4).compute(a, b)[0, 0] > 0.2
    assert BufferedIoU(0, 0).compute(a, a)[0, 0] == pytest.approx(1)


@given(st.floats(0.05, 0.95), st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_scores_keep_their_order_and_their_side_of_the_threshold(
    start: float, values: list[float]
) -> None:
    scores = np.sort(np.array(values))
    mapped = library_scores(scores, start)
    assert (np.diff(mapped) >= 0).all() and (mapped > 0.1).all() and (mapped <= 1).all()
    assert np.array_equal(mapped >= STRONG, scores >= start)


def turned(pixels: NDArray[np.uint8], transform: NDArray[np.float64]) -> NDArray[np.uint8]:
    import cv2

    out = cv2.warpAffine(pixels, transform[:2], (320, 240), flags=cv2.INTER_LINEAR)
    return np.asarray(out, dtype=np.uint8)


@pytest.mark.parametrize(
    ("angle", "zoom", "shift"),
    [(0.02, 1.01, (7, -5)), (1.57, 1.0, (260, 10)), (0.0, 1.0, (90, 60))],
)
def test_the_cameras_motion_is_found(angle: float, zoom: float, shift: tuple[float, float]) -> None:
    """A step of a video, a quarter turn, and a leap that optical flow cannot follow."""
    rng = np.random.default_rng(1)
    import cv2

    town = cv2.GaussianBlur(ground(rng), (5, 5), 1.2)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    true = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [0, 0, 1]])
    camera = CameraMotion()
    base = np.array([[1, 0, -100.0], [0, 1, -80], [0, 0, 1]])
    nothing = np.zeros((0, 4))
    assert np.array_equal(camera.moved(turned(town, base), nothing), np.eye(3))
    found = camera.moved(turned(town, true @ base), nothing)
    corners = np.array([[0.0, 0], [320, 0], [0, 240], [320, 240]])
    assert np.abs(move_points(corners, found) - move_points(corners, true)).max() < 1.5
    assert camera.num_unknown == 0


def test_a_camera_that_sees_nothing_says_so() -> None:
    camera = CameraMotion()
    black = np.zeros((64, 64, 3), dtype=np.uint8)
    for _ in range(3):
        assert np.array_equal(camera.moved(black, np.zeros((0, 4))), np.eye(3))
    assert camera.num_unknown == 2


def test_what_drives_does_not_turn_the_camera(flight: Flight) -> None:
    """Boxes are masked: with all that moves left out, the pan is exact."""
    camera = CameraMotion()
    for frame, boxes in zip(
        open_frames(flight.folder).read(Span(), print), flight.boxes, strict=True
    ):
        moved = camera.moved(frame.rgb(), boxes)
        if frame.number > 1:
            assert np.abs(moved[:2, 2] - (-9, -4)).max() < 0.3


def test_boxes_keep_their_middle_and_scale() -> None:
    boxes = np.array([[10.0, 20, 14, 26]])
    moved = warp_boxes(boxes, np.array([[0.0, -2, 5], [2, 0, 1], [0, 0, 1]]))
    assert moved.tolist() == [[5 - 46 - 4, 1 + 24 - 6, 5 - 46 + 4, 1 + 24 + 6]]


def test_smoothing_keeps_a_straight_line_and_stills_a_tremble() -> None:
    times = np.arange(20) / 10
    line = np.stack([times * 3, times * -2], axis=1)
    assert np.allclose(smoothed(line, times), line)
    trembling = np.stack([np.tile([0.0, 1.0], 10), np.zeros(20)], axis=1)
    steps = np.abs(np.diff(smoothed(trembling, times)[5:15, 0]))
    assert steps.max() < 0.25
