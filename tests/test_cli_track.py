"""Tracks through the real command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import smalldet
from smalldet.tracking import extra
from tests.tracking.conftest import Flight, draw_flight

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def track(run_verb: Callable[..., Any]) -> Run:
    """Runs `smalldet track`; its exit status, and what it says on stdout and stderr."""
    return partial(run_verb, "track")


@pytest.fixture
def flight(tmp_path: Path) -> Flight:
    return draw_flight(tmp_path)


def test_detections_of_a_file_become_tracks(track: Run, flight: Flight, tmp_path: Path) -> None:
    out = tmp_path / "out"
    status, said, _ = track(
        flight.folder, "--out", out, "--detections", flight.truth, "--truth", flight.truth,
        "--min-frames", 1, "--no-video",
    )  # fmt: skip
    assert status == 0
    assert "12 frames, 5 tracks" in said and "HOTA" in said and "very tiny" in said
    scores = json.loads((out / "metrics.json").read_text())["by_size"]
    assert scores[0]["num_switches"] == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "metrics.json",
        "tracks.json",
        "tracks.txt",
    ]


def test_the_embedded_model_looks_through_frames(
    track: Run, flight: Flight, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    status, said, told = track(
        flight.folder, "--out", out, "--frames", "1:2", "--tile", 192, "--device", "cpu"
    )
    assert status == 0, told
    assert "2 frames" in said
    assert (out / "tracks.mp4").stat().st_size > 0
    assert json.loads((out / "run.json").read_text())["tile_px"] == "192"


def test_a_missing_extra_is_named(
    track: Run, flight: Flight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extra, "NEEDED", ("not_there",))
    status, _, told = track(flight.folder, "--out", tmp_path / "out")
    assert status == 1
    assert 'not_there, which is not installed: pip install "smalldet[video]"' in told


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--frames", "7"), "--frames: frames are first:last:step"),
        (("--tracker", "magic"), "magic"),
        (("--sizes", "0,2,4m"), "tracks are measured in pixels"),
        (("--detections", "nowhere.txt"), "nowhere.txt"),
        (("--detections", "{truth}", "--place", "{frame}"), "has no place on a map"),
    ],
)
def test_mistakes_are_told_in_a_line(
    track: Run, flight: Flight, tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    named = {"truth": flight.truth, "frame": flight.folder / "frame1.png"}
    typed = [word.format(**named) for word in words]
    status, _, told = track(flight.folder, "--out", tmp_path / "out", *typed)
    assert status in (1, 2) and why in told
    assert "Traceback" not in told


def test_python_does_the_same(flight: Flight, tmp_path: Path) -> None:
    report = smalldet.track(
        flight.folder, tmp_path / "out", detections=flight.truth, no_video=True, min_frames=1
    )
    assert len(set(report.tracks.ids.tolist())) == 5
