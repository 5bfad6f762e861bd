r"""Tiles a second of Ultralytics' training, loader and step apart: run by the peer's Python.

    PYTHON benchmarks/peers/ultralytics_speed.py TRAIN.json --start yolo26n.pt --out DIR \
        --batch 16 --workers 2 --steps 4 --tile-batches 40 --warm-batches 10

Its own trainer runs, with its own settings of everything; what it calls at the ends of batches and
epochs changes what the batches come from: all of them ready, or its loader. First as it comes, then
with what smalldet gives itself on a CPU: bfloat16, channels last, and an allocator that keeps freed
memory. Knows nothing of smalldet; the last line is JSON.
"""

import argparse
import ctypes
import json
import sys
import time
from itertools import islice
from pathlib import Path

import torch
from ultralytics import YOLO
from ultralytics_training import write_yolo_set

WAYS = ("as it comes", "bf16, channels last")


class Source:
    """So many batches of a stream, in place of a loader; the trainer asks twice and uses one."""

    def __init__(self, batches, number):
        self.batches, self.number = batches, number

    def __iter__(self):
        for batch in islice(self.batches, self.number):
            yield dict(batch)


class Watch:
    """Measures from the trainer's callbacks."""

    def __init__(self, given):
        self.given = given
        self.read = time.process_time if given.cpu_clock else time.perf_counter
        self.said = {"step": {}, "trained": {}}
        self.phases = [(way, part) for way in WAYS for part in ("step", "trained")]
        self.phase = None
        self.ends = []

    def on_train_start(self, trainer):
        given = self.given
        self.stream = endless(trainer.train_loader)
        for _ in islice(self.stream, given.warm_batches):
            pass
        begin = self.read()
        for _ in islice(self.stream, given.tile_batches):
            pass
        seconds = self.read() - begin
        self.said["loader"] = given.batch * given.tile_batches / seconds
        self.ready = list(islice(self.stream, given.steps + 1))
        time.sleep(3)  # workers fill their queue, and then rest

    def on_train_epoch_start(self, trainer):
        if self.phase is not None:
            way, part = self.phase
            tiles = self.given.batch * (len(self.ends) - 1)
            self.said[part][way] = tiles / (self.ends[-1] - self.ends[0])
        if not self.phases:
            print(json.dumps(self.said), flush=True)
            sys.exit()
        self.phase, self.ends = self.phases.pop(0), []
        way, part = self.phase
        batches = self.ready if part == "step" else self.stream
        trainer.train_loader = Source(batches, self.given.steps + 1)
        self.low = way == WAYS[1]
        if self.low and part == "step":
            keep_freed_memory()
            trainer.model.to(memory_format=torch.channels_last)

    def on_train_batch_start(self, trainer):
        # as long as a batch: the weights that it has cast are cast anew for the next
        device = trainer.device.type
        self.precision = torch.autocast(device, torch.bfloat16, enabled=self.low)
        self.precision.__enter__()

    def on_train_batch_end(self, trainer):
        self.precision.__exit__(None, None, None)
        if trainer.device.type == "cuda":
            torch.cuda.synchronize()
        self.ends.append(self.read())


def endless(loader):
    """Batches of pass after pass."""
    while True:
        yield from loader


def keep_freed_memory():
    """What smalldet asks of glibc's allocator, under the names of its malloc.h."""
    if sys.platform.startswith("linux"):
        mallopt = ctypes.CDLL(None).mallopt
        m_trim_threshold, m_mmap_threshold = -1, -3
        mallopt(m_mmap_threshold, 1 << 30)
        mallopt(m_trim_threshold, (2 << 30) - 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("train", type=Path)
    parser.add_argument("--start", required=True)
    parser.add_argument("--out", type=Path, required=True)
    for name in ("batch", "workers", "steps", "tile-batches", "warm-batches"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--cpu-clock", action="store_true")
    given = parser.parse_args()
    folder = given.out.resolve()
    names = [category["name"] for category in json.loads(given.train.read_text())["categories"]]
    write_yolo_set(given.train, names, folder / "set", "train")
    text = {"path": str(folder / "set"), "train": "images/train", "val": "images/train"}
    (folder / "set.yaml").write_text(json.dumps({**text, "names": dict(enumerate(names))}))
    model, watch = YOLO(given.start), Watch(given)
    for name in dir(watch):
        if name.startswith("on_"):
            model.add_callback(name, getattr(watch, name))
    # No warm-up: it would step the optimiser after every batch and not, as later, after 64 tiles.
    model.train(
        data=str(folder / "set.yaml"), imgsz=640, batch=given.batch, epochs=1000, warmup_epochs=0,
        device=0 if torch.cuda.is_available() else "cpu", workers=given.workers, cache="ram",
        val=False, plots=False, save=False, project=str(folder), name="run", exist_ok=True,
        verbose=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
