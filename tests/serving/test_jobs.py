"""Jobs: how far they are, what they found, their end before the end, and after a kill."""

from __future__ import annotations

import http.client
import json
import threading
import time
from pathlib import Path

import pytest
import torch

from smalldet.detections import Detections
from smalldet.inference import prediction_checkpoint
from smalldet.serving.delivering import FORMATS
from smalldet.serving.service import Service
from tests.inference.conftest import SquareFinder
from tests.serving.conftest import Client, listening, options_for


class Gated(SquareFinder):
    """Finds squares as long as it is let through."""

    def __init__(self) -> None:
        self.gate, self.num_tiles = threading.Event(), 0
        self.num_free = 0

    def batch_size(self, height: int, width: int) -> int:
        return 1

    def detect(self, images: torch.Tensor, conf: float, max_detections: int) -> list[Detections]:
        self.num_tiles += len(images)
        if self.num_tiles > self.num_free:
            self.gate.wait(30)
        return super().detect(images, conf, max_detections)


def events(client: Client, job_id: str) -> list[dict]:
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
    connection.request("GET", f"/jobs/{job_id}/events")
    answer = connection.getresponse()
    assert answer.getheader("Content-Type", "").startswith("text/event-stream")
    lines = answer.read().decode().splitlines()
    connection.close()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def test_a_job_tells_how_far_it_is_and_gives_every_format(client: Client, save_squares) -> None:
    path, truth, _ = save_squares("a.png", 600, 500, 60)
    answer = client.post("/jobs", path, overlap_frac=0.4)
    assert answer.status == 202
    told = events(client, answer.json["id"])
    last = told[-1]
    assert last["state"] == "done" and last["done"] == last["total"] > 9
    assert last["counts"] == truth.counts() and (last["width"], last["height"]) == (600, 500)
    job = f"/jobs/{last['id']}"
    assert client.get(job).json == last
    found = client.get(f"{job}/result").json
    assert [one["box"] for one in found["detections"]] == truth.boxes.tolist()
    for wanted in FORMATS:
        given = client.get(f"{job}/result", format=wanted)
        assert given.status in (200, 422) and str(path.parent).encode() not in given.body
    boxes = client.get(f"{job}/boxes")
    assert boxes.headers["x-columns"] == "x1,y1,x2,y2,score,label"
    columns = torch.frombuffer(bytearray(boxes.body), dtype=torch.float32).reshape(6, -1)
    assert torch.equal(columns[:4].T, truth.boxes) and torch.equal(columns[4], truth.scores)
    assert client.get("/tile/0/0/0", job=last["id"]).status == 200
    assert client.get(f"{job}/truth").status == 404
    assert client.ask("DELETE", job).status == 204
    assert client.get(job).status == client.get(f"{job}/result").status == 404
    assert client.get("/jobs").json == []


def test_an_area_bounds_what_is_looked_at(client: Client, save_squares) -> None:
    _, truth, _ = save_squares("a.png", 600, 500, 60)
    area = {"type": "Polygon", "coordinates": [[[0, 0], [600, 0], [0, 500], [0, 0]]]}
    job = client.post("/jobs", name="a.png", form={"area": json.dumps(area)}, overlap_frac=0.4)
    job = client.finished(job.json["id"])
    x, y = ((truth.boxes[:, :2] + truth.boxes[:, 2:]) / 2).T
    inside = truth[x / 600 + y / 500 <= 1]
    assert 0 < len(inside) < 60 and job["counts"] == inside.counts()
    whole = client.finished(client.post("/jobs", name="a.png", overlap_frac=0.4).json["id"])
    assert job["total"] < whole["total"]
    for wrong in ("{", "[]", '{"type":"Point","coordinates":[1,2]}', "null", "3", '"a"'):
        answer = client.post("/jobs", name="a.png", form={"area": wrong})
        assert answer.status == 422 and "area" in answer.json["detail"], wrong
    away = {"type": "Polygon", "coordinates": [[[900, 900], [999, 900], [900, 999], [900, 900]]]}
    job = client.post("/jobs", name="a.png", form={"area": json.dumps(away)}).json
    assert "nothing of the area" in client.finished(job["id"])["message"]


def test_a_cancelled_job_ends_and_small_pictures_go_first(tmp_path: Path, save_squares) -> None:
    path, _, _ = save_squares("a.png", 600, 500, 60)
    small, truth, _ = save_squares("small.png", 100, 90, 5)
    model = Gated()
    with listening(options_for(tmp_path, max_waiting_jobs=1), model) as client:
        running = client.post("/jobs", path).json["id"]
        while model.num_tiles == 0:
            time.sleep(0.01)
        waiting = client.post("/jobs", path).json["id"]
        assert client.post("/jobs", path).status == 429
        assert client.ask("DELETE", f"/jobs/{running}").status == 409
        assert client.get(f"/jobs/{running}/result").status == 409
        assert client.post(f"/jobs/{waiting}/cancel").json["state"] == "cancelled"
        before = model.num_tiles
        answers: list = []
        asking = threading.Thread(target=lambda: answers.append(client.post("/predict", small)))
        asking.start()
        while not client.service.shared.num_waiting:
            time.sleep(0.01)
        model.num_free = before + 1  # the job's tile, then the picture
        model.gate.set()
        model.gate.clear()
        asking.join()
        assert len(answers[0].json["detections"]) == len(truth)
        client.post(f"/jobs/{running}/cancel")
        model.gate.set()
        assert client.finished(running)["state"] == "cancelled"
        assert client.get(f"/jobs/{running}/result").status == 409


@pytest.mark.parametrize("other_model", [False, True])
def test_jobs_go_on_after_the_server_was_stopped(
    tmp_path: Path, save_squares, monkeypatch: pytest.MonkeyPatch, other_model: bool
) -> None:
    monkeypatch.setattr(prediction_checkpoint, "INTERVAL_S", 0.0)
    path, truth, _ = save_squares("a.png", 900, 700, 90)
    model = Gated()
    model.num_free = 12
    with listening(options_for(tmp_path), model) as client:
        job = client.post("/jobs", path, overlap_frac=0.4).json["id"]
        while model.num_tiles <= 12:
            time.sleep(0.01)
        stopping = threading.Timer(0.3, model.gate.set)
        stopping.start()
        client.service.runner._closing.set()
    kept = json.loads((tmp_path / "jobs" / job / "job.json").read_text())
    assert kept["state"] == "running"
    again = SquareFinder() if not other_model else Other()
    seen: list[int] = []
    with listening(options_for(tmp_path), Counting(again, seen)) as client:
        done = client.finished(job)
        assert done["state"] == "done" and done["counts"] == truth.counts()
        assert bool(done["message"]) is other_model
        assert (sum(seen) < done["total"]) is not other_model
        found = client.get(f"/jobs/{job}/result").json["detections"]
        assert [one["box"] for one in found] == truth.boxes.tolist()


class Other(SquareFinder):
    @property
    def fingerprint(self) -> str:
        return "another"


class Counting:
    """Notes how many tiles are asked of a model."""

    def __init__(self, model: SquareFinder, seen: list[int]) -> None:
        self._model, self._seen = model, seen

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def detect(self, images: torch.Tensor, conf: float, most: int) -> list[Detections]:
        self._seen.append(len(images))
        return self._model.detect(images, conf, most)


def test_damaged_jobs_are_passed_over(tmp_path: Path) -> None:
    for name, text in (("0123456789abcdef", "{"), ("../x", "{}"), ("odd", '{"id": "odd"}')):
        place = tmp_path / "jobs" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "job.json").write_text(text)
    service = Service(SquareFinder(), "squares", options_for(tmp_path))
    assert service.store.all() == []
    service.close()


def test_two_servers_do_not_share_their_jobs(tmp_path: Path) -> None:
    first = Service(SquareFinder(), "squares", options_for(tmp_path))
    with pytest.raises(ValueError, match="--jobs-dir"):
        Service(SquareFinder(), "squares", options_for(tmp_path))
    first.close()
    Service(SquareFinder(), "squares", options_for(tmp_path)).close()


def test_old_jobs_are_forgotten(tmp_path: Path, save_squares) -> None:
    path, _, _ = save_squares("a.png", 50, 50, 2)
    with listening(options_for(tmp_path, keep_jobs=2)) as client:
        made = [client.finished(client.post("/jobs", path).json["id"]) for _ in range(4)]
        time.sleep(0.2)
        kept = client.get("/jobs").json
        assert len(kept) == 2 and kept[0]["id"] == made[-1]["id"]
        folders = [file.parent.name for file in (tmp_path / "jobs").glob("*/job.json")]
        assert sorted(folders) == sorted(job["id"] for job in kept)
