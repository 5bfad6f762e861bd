"""`smalldet serve` as people start it: on a free port, with a real model, until it is stopped."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from PIL import Image

from smalldet.cli import main
from smalldet.cli import serving as cli_serving
from tests.serving.conftest import form_of

STARTED = re.compile(r"is served at http://127\.0\.0\.1:(\d+)")
COMMAND = [sys.executable, "-W", "ignore", "-m", "smalldet.cli", "serve", "--port", "0"]


def port_of(stdout: IO[str]) -> int:
    for line in stdout:
        if found := STARTED.search(line):
            return int(found[1])
    raise AssertionError("it has not started")


@pytest.fixture
def started(tmp_path: Path) -> Generator[list[subprocess.Popen[str]]]:
    """Processes that are ended at the end, whatever happens."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def begin(started: list[subprocess.Popen[str]], *words: str | Path) -> tuple[int, subprocess.Popen]:
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    started.append(process)
    assert process.stdout is not None
    return port_of(process.stdout), process


def ask(port: int, method: str, path: str, body: bytes | None = None, kind: str = "") -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, {"Content-Type": kind} if kind else {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status < 300, content
    return json.loads(content)


def draw(path: Path, width: int, height: int) -> Path:
    pixels = np.random.default_rng(0).integers(60, 120, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, started: list) -> None:
    """The embedded model, over the real command line."""
    picture = draw(tmp_path / "pictures" / "a.png", 96, 64)
    words = ("--data-dir", picture.parent, "--jobs-dir", tmp_path / "jobs")
    port, process = begin(started, *words)
    body, sort = form_of({}, "b.png", picture.read_bytes())
    answer = ask(port, "POST", "/predict?conf=0.1", body, sort)
    assert (answer["name"], answer["width"], answer["height"]) == ("b.png", 96, 64)
    named = ask(port, "POST", "/predict?conf=0.1&name=a.png")
    assert named["detections"] == answer["detections"]
    assert ask(port, "GET", "/model")["model"] == "speck-n-aerial"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM and "Traceback" not in out + err


@pytest.mark.slow
def test_a_job_goes_on_after_a_kill(tmp_path: Path, started: list) -> None:
    """Killed amid a job of some seconds, behind its first note; the next server does the rest."""
    picture = draw(tmp_path / "pictures" / "large.png", 6000, 5000)
    words = ("--data-dir", picture.parent, "--jobs-dir", tmp_path / "jobs")
    port, process = begin(started, *words)
    job = ask(port, "POST", "/jobs?name=large.png&tile_px=256")["id"]
    whole = ask(port, "POST", "/jobs?name=large.png&tile_px=256")["id"]
    noted = tmp_path / "jobs" / job / "checkpoint"
    wait_until(lambda: any(noted.glob("*.safetensors")))
    process.kill()
    process.wait()
    port, process = begin(started, *words)
    restored = ask(port, "GET", f"/jobs/{job}")
    assert restored["state"] in ("waiting", "running")
    results = []
    for one in (job, whole):
        wait_until(lambda one=one: ask(port, "GET", f"/jobs/{one}")["state"] == "done")
        results.append(ask(port, "GET", f"/jobs/{one}/result"))
    assert results[0] == results[1]


def wait_until(true: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + 600
    while not true():
        assert time.monotonic() < ends_s
        time.sleep(0.1)


def failing(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(("serve", *words))
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_mistakes_are_one_line_before_the_model_is_read(capsys, tmp_path: Path) -> None:
    assert "--token-file" in failing(capsys, "--host", "0.0.0.0")
    assert "nothing" in failing(capsys, "--token-file", str(tmp_path / "nothing"))
    assert "no such" in failing(capsys, "--port", "0", "--model", "nope")
    folder = str(tmp_path / "none")
    assert "is no folder" in failing(capsys, "--port", "0", "--data-dir", folder)


def test_a_missing_package_names_the_extra(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_serving, "NEEDED", ("fastapi", "not_there"))
    said = failing(capsys)
    assert 'not_there, which is not installed: pip install "smalldet[serve]"' in said
