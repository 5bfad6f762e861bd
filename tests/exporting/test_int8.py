"""8 bits: objects of every size calibrate, and what costs small objects goes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from smalldet.data.formats.read_labels import read_labels
from smalldet.data.index import ImageRecord, Index
from smalldet.exporting import check_tiles, int8
from smalldet.exporting.check_tiles import tiles_of_every_size
from smalldet.graphs.facts import facts_of, to_metadata
from smalldet.graphs.network_graph import network_graph
from smalldet.graphs.onnx_file import with_metadata, write_onnx
from smalldet.graphs.openvino_folder import read_openvino
from smalldet.models.checkpoints.loaded_model import LoadedModel
from smalldet.models.speck.config import SpeckConfig


def speck() -> LoadedModel:
    torch.manual_seed(0)
    config = SpeckConfig(backbone="test_efficientnet", width=16, strides=(8, 16), num_context=1)
    return LoadedModel(config.build(("square",), 64).eval(), config)


def test_every_size_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """One large object among a hundred tiny ones is in every second tile."""
    corners = np.concatenate([np.arange(100)[:, None].repeat(2, 1) * 3, [[10, 10]]])
    sides = np.array([[4, 4]] * 100 + [[120, 120]])
    boxes = np.concatenate([corners, corners + sides], 1).astype(np.float32)
    no = np.zeros(101, np.bool_)
    record = ImageRecord(Path("p"), 400, 400, boxes, np.zeros(101, np.int64), no, no, 1)
    seen: list[int] = []
    monkeypatch.setattr(check_tiles, "_around", lambda _r, row, *_: seen.append(row))
    list(tiles_of_every_size(Index(("a",), (record,)), speck().detector, 64, 10))
    assert seen[1::2] == [100] * 5 and max(seen[::2]) < 100


@pytest.mark.parametrize(
    ("given", "loses"),
    [
        ((0.50, 0.30), False),
        ((0.495, 0.295), False),
        ((0.48, 0.30), True),
        ((0.55, 0.28), True),
        ((None, 0.30), True),
    ],
)
def test_a_point_of_ap_in_all_or_of_small_ones_is_the_most(
    given: tuple[float | None, ...], loses: bool
) -> None:
    assert int8._loses((0.50, 0.30, None, None), (*given, None, None)) is loses
    assert not int8._loses((0.5, None, None, None), (0.5, 0.0, None, None))


@pytest.mark.slow
def test_places_are_opened_until_nothing_is_lost(
    draw_set: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two whole measures say that something is lost: places go back, and are named."""
    pytest.importorskip("nncf")
    model = speck()
    facts = facts_of(model, fingerprint="")
    graph = with_metadata(network_graph(model.detector), to_metadata(facts, model.detector))
    write_onnx(tmp_path / "m.onnx", graph)
    labelled = read_labels(draw_set("train", num_pictures=6), None)
    monkeypatch.setattr(int8, "NUM_CALIBRATION_TILES", 6)
    answers = iter([True, True, False])
    monkeypatch.setattr(int8, "_loses", lambda *_: next(answers))
    found = int8.quantised(read_openvino(tmp_path / "m.onnx"), facts, model.detector, labelled)
    gate = found.gate
    assert [row[0] for row in gate.rows] == ["float32", "int8", "int8, 1 opened", "int8, 2 opened"]
    assert len(gate.opened) == 2 and all(gate.opened) and gate.num_pictures == 4
    left = int8._roundings(found.graph)
    assert len([name for name, layers in left.items() if layers]) == gate.num_layers - 2
