"""Several processes train as one does."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from smalldet.data.loading import loader
from smalldet.data.options import Sampling
from smalldet.data.tiled import TiledDataset
from smalldet.models.checkpoints.native import read_state
from smalldet.training.loop import train
from smalldet.training.recipe import recipe_for_labels
from smalldet.training.sections import SourceConfig
from smalldet.training.sources import read_sources

MORE = ("training.epochs=1", "data.tiles_per_epoch=20", "training.freeze_norms=true")


def test_two_processes_step_as_one(
    start_run: Callable[..., subprocess.Popen[bytes]],
    draw_set: Callable[..., Path],
    small: tuple[str, ...],
    tmp_path: Path,
) -> None:
    """Five steps in float32 over gloo: the same weights to 1e-5, the same AP, one log."""
    folder = draw_set("train").parent
    draw_set("val", num_pictures=3, seed=1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    env |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    runs = [
        start_run(folder, tmp_path / "two", *MORE, env={**env, "RANK": rank, "LOCAL_RANK": rank})
        for rank in "01"
    ]
    torch.set_num_threads(1)
    train(recipe_for_labels(folder, (*small, *MORE)), tmp_path / "one", device="cpu")
    for run in runs:
        said, _ = run.communicate(timeout=300)
        assert run.returncode == 0, said.decode()
    one, two = (read_state(tmp_path / name / "resume.safetensors") for name in ("one", "two"))
    for key in one:
        if key.startswith("model."):
            torch.testing.assert_close(two[key], one[key], atol=1e-5, rtol=0, msg=key)
        elif key.endswith(".exp_avg"):
            # AdamW steps alike however gradients are scaled: its averages show a wrong divisor.
            torch.testing.assert_close(two[key], one[key], atol=1e-4, rtol=1e-2, msg=key)
    measured = [json.loads((tmp_path / n / "metrics.json").read_text()) for n in ("one", "two")]
    assert measured[0]["AP"] == pytest.approx(measured[1]["AP"], abs=1e-3)
    assert measured[0]["num_pictures"] == measured[1]["num_pictures"] == 3
    lines = (tmp_path / "two" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["group"] for line in lines] == ["val"]


@pytest.mark.parametrize("skipped", [0, 8])
def test_processes_share_the_batches_of_one(draw_set: Callable[..., Path], skipped: int) -> None:
    """The tiles of a batch of two processes are, together and in order, those of one's batch."""
    index = read_sources([SourceConfig(annotations=draw_set())], None)
    tiles = TiledDataset(index, tile_px=32, train=True, sampling=Sampling(tiles_per_epoch=22))

    def batches(num_processes: int, process: int) -> list[torch.Tensor]:
        chosen = loader(tiles, 4, num_processes=num_processes, process=process)
        chosen.sampler.start_at(skipped)  # pyright: ignore[reportAttributeAccessIssue]
        assert len(chosen) == (22 - skipped) // 4
        return [images for images, _ in chosen]

    whole, first, second = batches(1, 0), batches(2, 0), batches(2, 1)
    assert len(whole) == len(first) == len(second)
    shared = [torch.cat(pair) for pair in zip(first, second, strict=True)]
    assert all(map(torch.equal, whole, shared))


def test_a_batch_that_cannot_be_shared_is_refused(draw_set: Callable[..., Path]) -> None:
    index = read_sources([SourceConfig(annotations=draw_set())], None)
    tiles = TiledDataset(index, tile_px=32, train=True)
    with pytest.raises(ValueError, match="batch of 4 cannot be shared by 3 processes"):
        loader(tiles, 4, num_processes=3)
