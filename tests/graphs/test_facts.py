"""What a file says of itself comes back, and what is damaged is named."""

from __future__ import annotations

import json

import pytest
import torch

from smalldet.graphs.facts import FACTS_KEY, PARTS_KEY, facts_of, from_metadata, to_metadata
from smalldet.models.checkpoints.loaded_model import LoadedModel
from smalldet.models.speck.config import SpeckConfig


def texts(**changes: object) -> dict[str, str]:
    torch.manual_seed(0)
    config = SpeckConfig(
        backbone="test_efficientnet", width=16, strides=(8, 16), num_context=1, refine=True
    )
    detector = config.build(("car", "ship"), 64)
    detector.conf = 0.3
    model = LoadedModel(detector, config)
    made = to_metadata(facts_of(model, fingerprint="f", licence="CC0"), detector)
    return {**made, FACTS_KEY: json.dumps({**json.loads(made[FACTS_KEY]), **changes})}


def test_all_that_decoding_needs_comes_back() -> None:
    facts, decoder = from_metadata(texts(), "m.onnx")
    assert facts.class_names == decoder.class_names == ("car", "ship")
    assert (facts.tile_px, decoder.tile_px, decoder.conf) == (64, 64, 0.3)
    assert (facts.stride, facts.bands, facts.licence) == (16, 3, "CC0")
    assert facts.mean == pytest.approx((0.5, 0.5, 0.5), abs=0.1) and len(facts.std) == 3
    assert decoder.torch_parts == ("refiner",)
    trained = {key: value for key, value in decoder.state_dict().items() if "refiner." in key}
    assert len(trained) > 4 and all(value.numel() for value in trained.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "smalldet-graph-9"}, "format of its facts"),
        ({"tile_px": -5}, "tile_px"),
        ({"tile_px": "many"}, "tile_px"),
        ({"class_names": []}, "class_names"),
        ({"stride": 7}, "stride and bands"),
        ({"bands": 4}, "stride and bands"),
        ({"model": {"family": "abacus"}}, "unknown family 'abacus'"),
        ({"model": {"family": "speck", "beads": 3}}, "beads"),
        (
            {"model": {"family": "speck", "backbone": "no_such_net", "refine": True}},
            "cannot be built",
        ),
        ({"more": 1}, "more"),
    ],
)
def test_hostile_facts_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=rf"(?s)^m\.onnx.*{message}"):
        from_metadata(texts(**changes), "m.onnx")


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "null", '{"format": 1}'])
def test_what_is_no_object_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"^m\.onnx: damaged"):
        from_metadata({FACTS_KEY: text}, "m.onnx")


@pytest.mark.parametrize("text", ["", "no base64!", "AAAA", "e30="])
def test_damaged_parts_are_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"^m\.onnx: the weights of what is computed in torch"):
        from_metadata({**texts(), PARTS_KEY: text}, "m.onnx")


def test_a_foreign_file_is_told_from_ours() -> None:
    with pytest.raises(ValueError, match="only files that `smalldet export` wrote"):
        from_metadata({"author": "somebody"}, "m.onnx")
