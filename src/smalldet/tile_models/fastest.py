"""Which runtime is fastest here for a model: tried once, and noted in the user's cache."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from smalldet.atomic_write import write_text
from smalldet.tile_models.graph_model import content_fingerprint
from smalldet.tile_models.parity import (
    LEAST_SCORE,
    NUM_COMPARED,
    REDUCED,
    num_without_partner,
    textured_tiles,
)
from smalldet.tile_models.protocol import TileModel
from smalldet.user_cache import user_cache

NUM_TIMED = 4
PACKAGES = ("smalldet", "torch", "onnxruntime", "openvino")

Opener = Callable[[], TileModel]


def fastest(
    openers: Sequence[tuple[str, Opener]],
    key: str,
    device: torch.device,
    say: Callable[[str], None],
) -> TileModel:
    """The fastest of the runtimes whose detections are those of the first.

    Args:
        openers: names of runtimes and what opens the model in each; the first is the measure of
            what is right, and is taken where nothing else works.
        key: what tells the model from others.
        device: that it computes on.
        say: told the outcome of a trial in a line.

    Raises:
        FileNotFoundError, ValueError: the first one cannot open the model.
    """
    note = user_cache() / "trials" / f"{_machine_key(key, device, [name for name, _ in openers])}"
    by_name = dict(openers)
    known = _noted(note)
    if known in by_name:
        try:
            return by_name[known]()
        except (ValueError, OSError):
            if known == openers[0][0]:
                raise
    models, seconds = _trial(openers)
    best = min(seconds, key=lambda name: seconds[name])
    times = ", ".join(f"{name} {1e3 * seconds[name]:.0f}" for name in seconds)
    say(f"{best} is fastest here for this model, and is taken from now on (ms a tile: {times})")
    _write(note, best, seconds)
    return models[best]


def _trial(openers: Sequence[tuple[str, Opener]]) -> tuple[dict[str, TileModel], dict[str, float]]:
    """Models that agree with the first, and seconds a tile of each."""
    (first, open_first), *others = openers
    reference = open_first()
    tiles = _tile_for(reference)
    models, seconds = {first: reference}, {first: seconds_a_tile(reference)}
    (wanted,) = reference.detect(tiles, LEAST_SCORE, NUM_COMPARED)
    for name, opener in others:
        try:
            model = opener()
            (given,) = model.detect(tiles, LEAST_SCORE, NUM_COMPARED)
        except (ValueError, OSError):
            continue  # it cannot carry this model: another one does
        if num_without_partner(wanted, given, REDUCED) > REDUCED.lost_share * len(wanted):
            continue
        models[name], seconds[name] = model, seconds_a_tile(model)
    return models, seconds


def _tile_for(model: TileModel) -> torch.Tensor:
    side = -(-model.tile_px // model.stride) * model.stride
    return textured_tiles(1, (model.in_channels, side, side))


def seconds_a_tile(model: TileModel) -> float:
    """Of a tile of the model's own side, at best; the first time does not count."""
    tiles, times = _tile_for(model), []
    for _ in range(1 + NUM_TIMED):
        start = time.perf_counter()
        model.detect(tiles, model.conf, NUM_COMPARED)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def _machine_key(key: str, device: torch.device, names: Sequence[str]) -> str:
    """Changes with the model, the machine and the versions of what computes."""
    facts = [key, *names, *(f"{name} {_version(name)}" for name in PACKAGES)]
    facts += [platform.machine(), _cpu(), str(os.cpu_count()), str(torch.get_num_threads())]
    facts.append(str(device))
    if device.type == "cuda":
        facts.append(torch.cuda.get_device_name(device))
    return content_fingerprint("\n".join(facts).encode()) + ".json"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _cpu() -> str:
    """Its name and what it can do."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"{platform.processor()} {torch.backends.cpu.get_cpu_capability()}"
    wanted = ("model name", "flags", "Features")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))


def _noted(path: Path) -> str | None:
    """The runtime that a trial chose; None where there was none, or its note is damaged."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["runtime"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, name: str, seconds: dict[str, float]) -> None:
    """A cache that cannot be written is no reason to stop: the trial comes again."""
    try:
        write_text(path, json.dumps({"runtime": name, "seconds_a_tile": seconds}) + "\n")
    except OSError:
        return
