"""Pictures a second from a folder of small pictures, by the commands that people type.

    python -m benchmarks.speed.folder --peers FOLDER_OF_COMMANDS --checkpoint yolo26n.pt
        [--pictures 500] [--few 20] [--core 0] [--models speck-n-thermal speck-t-aerial]

The pictures are hituav's, 640 x 512 px, in one folder. Each program writes what it finds: smalldet
a CSV, Ultralytics text files, SAHI (slices of 640 px) a json. Commands run on one core, with one
thread each; a run over few of the pictures tells the start of the program from its pace. Before
that each has run once, so that caches are filled. `--peers` holds the commands `yolo` and `sahi`.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, run

from benchmarks.sets import labelled_set, shared_folder

PX = 640


def main(
    *,
    peers: Annotated[Path | None, Parameter(help="Folder with the commands yolo and sahi.")] = None,
    checkpoint: Annotated[
        tuple[Path, ...], Parameter(help="Of Ultralytics, for the peers.", consume_multiple=True)
    ] = (),
    models: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (
        "speck-n-thermal",
        "speck-t-aerial",
    ),
    pictures: int = 500,
    few: int = 20,
    core: Annotated[int, Parameter(help="That all run on.")] = 0,
    shared: Path | None = None,
) -> None:
    """Print a row for each program as it finishes."""
    files = [
        record.path
        for record in labelled_set(shared_folder(shared), "hituav", "train").records[:pictures]
    ]
    print("| program | s, few | s, all | CPU s, all | pictures/s, all | ms a picture more |")
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, some in (("few", files[:few]), ("all", files)):
            (place / name).mkdir()
            for file in some:
                (place / name / file.name).symlink_to(file.resolve())
        for title, words in _commands(peers, checkpoint, models):
            _timed([*words(place / "few", place / f"{title} 0")], core, place)
            few_s, _ = _timed([*words(place / "few", place / f"{title} 1")], core, place)
            all_s, cpu_s = _timed([*words(place / "all", place / f"{title} 2")], core, place)
            more_ms = 1000 * (all_s - few_s) / (len(files) - few)
            print(
                f"| {title} | {few_s:.1f} | {all_s:.1f} | {cpu_s:.1f} "
                f"| {len(files) / all_s:.1f} | {more_ms:.0f} |",
                flush=True,
            )


def _commands(peers: Path | None, checkpoints: Sequence[Path], models: Sequence[str]):
    """Title, and the command as a function of the folder of pictures and the place of results."""
    smalldet = Path(sys.executable).with_name("smalldet")
    for model in models:
        yield (
            f"smalldet, {model}",
            lambda source, out, model=model: (
                smalldet, "predict", source, "--model", model, "--out", out.with_suffix(".csv"),
            ),
        )  # fmt: skip
    if peers is None:
        return
    for file in checkpoints:
        yield (
            f"Ultralytics, {file.name}",
            lambda source, out, file=file: (
                peers / "yolo", "predict", f"model={file}", f"source={source}", f"imgsz={PX}",
                "save_txt=True", "save=False", f"project={out}", "device=cpu",
            ),
        )  # fmt: skip
        yield (
            f"SAHI, {file.name}",
            lambda source, out, file=file: (
                peers / "sahi", "predict", "--model_type", "ultralytics", "--model_path", file,
                "--source", source, "--slice_height", PX, "--slice_width", PX, "--novisual",
                "--project", out, "--model_device", "cpu",
            ),
        )  # fmt: skip


def _timed(words: Sequence[object], core: int, place: Path) -> tuple[float, float]:
    """Seconds by the clock, and CPU seconds of the process and what it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    ended = subprocess.run(
        [*map(str, words)], cwd=place, capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    if ended.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}\n{ended.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


if __name__ == "__main__":
    run(main)
