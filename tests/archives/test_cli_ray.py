"""`smalldet predict --ray` as people type it, with two workers; killed and begun again (slow)."""

import json
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch
from pyarrow import dataset, parquet

from smalldet.cli import main
from smalldet.imagery import open_scene
from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor
from smalldet.models.checkpoints.loaded_model import LoadedModel
from smalldet.models.checkpoints.read_model import write_model
from smalldet.models.speck.config import SpeckConfig
from smalldet.tile_models import open_tile_model

pytest.importorskip("ray")
from benchmarks.speed.archives import killed_run, rows_of


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small network that has learned nothing, and so finds something everywhere."""
    torch.manual_seed(5)
    config = SpeckConfig(backbone="mobilenetv3_small_050", width=16, strides=(8, 16))
    detector = config.build(["a", "b"], tile_px=64).eval()
    for output in detector.head.class_outputs:
        torch.nn.init.normal_(output.weight)
    path = tmp_path / "model.safetensors"
    write_model(path, LoadedModel(detector, config))
    return path


def words(*more: object) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "smalldet.cli", "predict", *map(str, more)]


def in_pieces(out: Path) -> tuple[object, ...]:
    pieces = ("--num-workers", 2, "--scenes-per-file", 2, "--tiles-per-part", 8, "--out", out)
    return ("--separate", "--conf", 0.02, "--device", "cpu", "--ray", *pieces)


@pytest.mark.slow
def test_an_archive_is_what_predict_finds_scene_by_scene(write_scene, model, tmp_path):
    """Small scenes in bundles, a large one in parts, and a broken one as a row."""
    names = [
        write_scene(f"{number}.tif", 100, 90, 4, seed=number, max_side=15) for number in range(3)
    ]
    names.append(write_scene("large.png", 300, 260, 20, max_side=20))
    broken = tmp_path / "scenes" / "broken.tif"
    broken.write_text("no picture")
    out = tmp_path / "out"
    done = subprocess.run(
        words(tmp_path / "scenes", "--model", model, *in_pieces(out)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert f"error: {broken}: cannot be read as a picture" in done.stderr
    assert "4 scenes, " in done.stdout and "1 scenes failed" in done.stdout
    (failure,) = parquet.read_table(out / "failures.parquet").to_pylist()
    assert failure["source"] == str(broken) and failure["kind"] == "ValueError"
    assert sorted(parquet.read_table(out / "scenes.parquet")["source"].to_pylist()) == names

    found = dataset.dataset(out / "detections").to_table().to_pylist()
    tile_model = open_tile_model(model, device="cpu")
    predictor = Predictor(tile_model, PredictOptions(conf=0.02))
    for name in names:
        with open_scene(name) as scene:
            wanted = predictor.predict(scene)
        own = sorted((r for r in found if r["source"] == name), key=lambda r: r["id"])
        assert len(own) > 10
        boxes = [[row[key] for key in ("x1", "y1", "x2", "y2")] for row in own]
        # another number of threads may round otherwise
        assert boxes == [pytest.approx(box, abs=0.01) for box in wanted.boxes.tolist()]
        assert [row["score"] for row in own] == pytest.approx(wanted.scores.tolist(), abs=1e-4)
    assert json.loads((out / "run.json").read_text())["model"] == tile_model.fingerprint
    assert not (out / ".notes").exists()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_five_kills_lose_and_double_nothing(write_scene, model, tmp_path):
    """Workers and driver by SIGKILL amid their work; the rows are those of an unbroken run."""
    for number in range(30):
        write_scene(f"{number:02}.tif", 260, 200, 4, seed=number, max_side=20)
    write_scene("large.png", 600, 500, 40, max_side=20)
    command = words(tmp_path / "scenes", "--model", model)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run([*command, *map(str, in_pieces(whole))], check=True)
    killed = killed_run([*command, *map(str, in_pieces(broken))], broken, 5, wait_s=0.5)
    assert killed == ["worker", "driver", "worker", "driver", "worker"]
    assert rows_of(broken) == rows_of(whole)
    scenes = [parquet.read_table(out / "scenes.parquet")["source"] for out in (whole, broken)]
    assert len(scenes[0]) == len(scenes[1]) == 31

    other = subprocess.run(
        [*command, *map(str, in_pieces(broken)), "--overlap", "0.3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert other.returncode == 1
    assert "holds a run that differs in overlap_frac (0.2, now 0.3)" in other.stderr


@pytest.mark.slow
def test_a_cluster_whose_head_is_killed_is_told_and_gone_on_with(
    write_scene, model, tmp_path, monkeypatch
):
    """`--workers ADDRESS`: the head dies amid the work, another is started, the rest is done."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # whether this machine has a token or not
    for number in range(30):
        write_scene(f"{number:02}.tif", 260, 200, 4, seed=number, max_side=20)
    command = words(tmp_path / "scenes", "--model", model)
    out, whole = tmp_path / "out", tmp_path / "whole"
    subprocess.run([*command, *map(str, in_pieces(whole))], check=True)
    for dies in (True, False):
        with Head() as head:
            words_now = [*command, *map(str, in_pieces(out)), "--workers", head.address]
            run = subprocess.Popen(words_now, stderr=subprocess.PIPE, text=True)
            if dies:
                while run.poll() is None and not list(out.glob("detections/*.parquet")):
                    time.sleep(0.05)
                head.kill()
            _, told = run.communicate(timeout=300)
            assert run.returncode == (1 if dies else 0), told
            assert ("the Ray cluster went away" in told) is dies
    assert rows_of(out) == rows_of(whole)


class Head:
    """A Ray cluster of this machine, apart from any that it belongs to."""

    port = 26_379

    def __enter__(self):
        command = [
            str(Path(sys.executable).with_name("ray")), "start", "--head", "--block",
            "--num-cpus", "2", "--port", str(self.port),
            "--include-dashboard", "false", "--disable-usage-stats",
        ]  # fmt: skip
        quiet = subprocess.DEVNULL
        self.process = psutil.Popen(command, stdout=quiet, stderr=quiet)
        for _ in range(120):
            assert self.process.poll() is None, "ray start ended"
            with suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return self
            time.sleep(0.5)
        raise TimeoutError(f"no head listens at {self.address}")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End all of its processes at once, as when a machine fails."""
        with suppress(psutil.NoSuchProcess):  # has ended before
            processes = [self.process, *self.process.children(recursive=True)]
            for process in processes:
                with suppress(psutil.NoSuchProcess):  # ended by itself meanwhile
                    process.kill()
            psutil.wait_procs(processes)

    def __exit__(self, *_: object) -> None:
        self.kill()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--out", "x.parquet", "--ray"], "x.parquet: --ray writes a folder"),
        (["--out", "x", "--asset", "visual"], "--asset goes with --ray"),
        (["--out", "x", "--ray", "--format", "coco"], "--format does not go with --ray"),
        (["--out", "x", "--ray", "--crs", "source"], "--crs source: an archive's results"),
    ],
)
def test_what_cannot_be_is_told_before_the_work(
    write_scene, tmp_path, monkeypatch, capsys, more, why
):
    name = write_scene("a.tif")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["predict", name, *more])
    assert why in capsys.readouterr().err


def test_without_ray_the_error_names_the_extra(write_scene, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("smalldet.extras.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main(["predict", write_scene("a.tif"), "--ray", "--out", str(tmp_path / "out")])
    assert '--ray needs ray, pyarrow, which are not installed: pip install "smalldet[ray]"' in (
        capsys.readouterr().err
    )
