"""Archives by Ray: scenes a minute by workers, time of a scene besides its tiles, and kills.

    python -m benchmarks.speed.archives [--parts rate overhead kills] [--shared FOLDER]

`rate`: GeoTIFFs of 1,280 px cut from a large photo and one of twice its size, which goes in parts,
on one and on two workers of a core each. The clock begins when the first worker is ready; starting
Ray and the model is told besides.
`overhead`: scenes of 64 px, which are next to no work for a detector, in an archive on one worker
and in a plain loop over `Predictor.predict`.
`kills`: the command line, killed by SIGKILL at random times, workers and driver in turn, and begun
again where the driver died; what it leaves is compared with an unbroken run, row by row.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import rasterio
import torch
from affine import Affine
from cyclopts import Parameter, run
from PIL import Image
from pyarrow import dataset

from benchmarks.sets import shared_folder
from smalldet.archives.model_files import PackedModel
from smalldet.archives.options import ArchiveOptions
from smalldet.archives.predict_archive import ArchiveListener, predict_archive
from smalldet.imagery import ImageryOptions, open_scene
from smalldet.inference.predictor import Predictor
from smalldet.tile_models import open_tile_model

SEPARATE = ImageryOptions(separate=True)
PHOTO = "large_aerial_car_photo/images/DJI_0020.JPG"
PIXEL_M = 0.1


def cut_scenes(photo: Path, folder: Path, num: int, side: int) -> list[str]:
    """GeoTIFFs of random parts of a photo, side by side on a map."""
    pixels = np.asarray(Image.open(photo)).transpose(2, 0, 1)
    chance = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    names: list[str] = []
    for number in range(num):
        y, x = (int(chance.integers(0, limit - side)) for limit in pixels.shape[1:])
        path = folder / f"{number:05}.tif"
        write_scene(path, pixels[:, y : y + side, x : x + side], east_m=number * side)
        names.append(str(path))
    return names


def write_scene(path: Path, pixels: np.ndarray, east_m: float) -> None:
    num, height, width = pixels.shape
    place = Affine(PIXEL_M, 0, 400_000 + east_m, 0, -PIXEL_M, 5_500_000)
    facts = {"driver": "GTiff", "dtype": "uint8", "tiled": True, "compress": "deflate"}
    with rasterio.open(
        path, "w", width=width, height=height, count=num, crs="EPSG:32633", transform=place, **facts
    ) as file:
        file.write(pixels)


def twice(photo: Path, path: Path) -> str:
    """A scene of four copies of a photo, in parts for several workers."""
    pixels = np.asarray(Image.open(photo)).transpose(2, 0, 1)
    write_scene(path, np.tile(pixels, (1, 2, 2)), east_m=90_000)
    return str(path)


def timed_archive(
    names: Sequence[str], out: Path, model: str, backend: str, archive: ArchiveOptions
) -> tuple[float, float]:
    """Seconds until the first worker is ready, and seconds from then on."""
    times = [time.perf_counter()]

    def on_progress(done: float, total: int) -> None:
        if len(times) == 1:
            times.append(time.perf_counter())

    predict_archive(
        PackedModel.of(model, backend=backend),
        names,
        out,
        device="cpu",
        imagery=SEPARATE,
        archive=archive,
        listener=ArchiveListener(on_progress=on_progress),
    )
    begun, ready = times
    return ready - begun, time.perf_counter() - ready


def rows_of(out: Path) -> list[tuple[object, ...]]:
    """All rows of an archive, sorted."""
    table = dataset.dataset(out / "detections").to_table()
    table = table.sort_by([("source", "ascending"), ("id", "ascending")])
    return list(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


def children_of(pid: int, named: str) -> list[int]:
    """Processes below one, at any depth, whose command line contains a text; Linux only."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:
            continue  # it ended
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found: list[int] = []
    for child in parents:
        above = child
        while above in parents and above != pid:
            above = parents[above]
        if above == pid and child != pid and named in _command(child):
            found.append(child)
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def partitions_in(out: Path) -> int:
    return len(list(out.glob("detections/part-*.parquet")))


def killed_run(
    words: Sequence[str], out: Path, num_kills: int, seed: int = 0, wait_s: float = 10.0
) -> list[str]:
    """Run a command until it ends by itself, killing a worker or the driver from time to time.

    Kills come at random times while results are being written, so that all are amid work.

    Returns:
        what was killed, in order.
    """
    chance = random.Random(seed)
    killed: list[str] = []
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    while True:
        process = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
        before = partitions_in(out)
        while process.poll() is None and len(killed) < num_kills:
            time.sleep(0.1)
            if partitions_in(out) == before:
                continue
            time.sleep(chance.uniform(0, wait_s))
            what = ("worker", "driver")[len(killed) % 2]
            pids = children_of(process.pid, "ray::SceneWorker") if what == "worker" else []
            pids = pids or ([process.pid] if what == "driver" else [])
            if not pids or process.poll() is not None:
                continue
            os.kill(chance.choice(pids), signal.SIGKILL)
            killed.append(what)
            before = partitions_in(out)
        status = process.wait()
        if status > 0:
            raise SystemExit(f"ended with {status} after {', '.join(killed) or 'no kill'}")
        if status == 0:
            return killed


def rate(photo: Path, place: Path, num: int, model: str, backend: str) -> None:
    names = [*cut_scenes(photo, place / "scenes", num, 1280), twice(photo, place / "large.tif")]
    print("\n| workers | ready after s | s | scenes a minute |\n|---:|---:|---:|---:|", flush=True)
    for num_workers in (1, 2):
        archive = ArchiveOptions(num_workers=num_workers, tiles_per_part=48)
        out = place / f"rate{num_workers}"
        ready_s, seconds = timed_archive(names, out, model, backend, archive)
        per_minute = 60 * len(names) / seconds
        print(f"| {num_workers} | {ready_s:.1f} | {seconds:.1f} | {per_minute:.1f} |", flush=True)
    same = rows_of(place / "rate1") == rows_of(place / "rate2")
    print(f"\nBoth hold the same {len(rows_of(place / 'rate1'))} rows: {same}.", flush=True)


def overhead(photo: Path, place: Path, num: int, model: str, backend: str) -> None:
    names = cut_scenes(photo, place / "tiny", num, 64)
    archive = ArchiveOptions(num_workers=1)
    out = place / "overhead"
    _, in_archive_s = timed_archive(names, out, model, backend, archive)
    torch.set_num_threads(1)
    predictor = Predictor(open_tile_model(model, device="cpu", backend=backend))
    begun = time.perf_counter()
    for name in names:
        with open_scene(name, options=SEPARATE) as scene:
            predictor.predict(scene)
    alone_s = time.perf_counter() - begun
    num_files = partitions_in(out)
    size = sum(path.stat().st_size for path in out.glob("detections/*.parquet"))
    print(
        f"\n{num} scenes of 64 px: {1e3 * in_archive_s / num:.2f} ms each in an archive, "
        f"{1e3 * alone_s / num:.2f} ms in a plain loop; {num_files} files of "
        f"{size / num_files / 1e3:.1f} kB",
        flush=True,
    )


def kills(photo: Path, place: Path, num: int, model: str, backend: str, num_kills: int) -> None:
    cut_scenes(photo, place / "killed", num, 1280)
    large = twice(photo, place / "large.tif")
    words = [
        sys.executable, "-m", "smalldet.cli", "predict", str(place / "killed"), large, "--separate",
        "--model", model, "--backend", backend, "--device", "cpu", "--ray", "--num-workers", "2",
        "--scenes-per-file", "4", "--tiles-per-part", "24", "--out",
    ]  # fmt: skip
    subprocess.run([*words, str(place / "unbroken")], check=True, stdout=subprocess.DEVNULL)
    killed = killed_run([*words, str(place / "broken")], place / "broken", num_kills)
    whole, broken = rows_of(place / "unbroken"), rows_of(place / "broken")
    num_doubled = len(broken) - len({row[:4] for row in broken})
    print(
        f"\nkilled: {', '.join(killed)}; {len(whole)} rows in an unbroken run, {len(broken)} after "
        f"the kills; equal: {whole == broken}; doubled: {num_doubled}",
        flush=True,
    )


def main(
    *,
    parts: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (
        "rate",
        "overhead",
        "kills",
    ),
    shared: Path | None = None,
    model: str = "speck-n-aerial",
    backend: str = "onnxruntime",
    scenes: int = 60,
    tiny_scenes: int = 2000,
    num_kills: int = 5,
) -> None:
    """Print what was measured."""
    os.environ["OMP_NUM_THREADS"] = "1"
    photo = shared_folder(shared) / "data" / PHOTO
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load} before", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        if "rate" in parts:
            rate(photo, place, scenes, model, backend)
        if "overhead" in parts:
            overhead(photo, place, tiny_scenes, model, backend)
        if "kills" in parts:
            kills(photo, place, scenes, model, backend, num_kills)


if __name__ == "__main__":
    run(main)
