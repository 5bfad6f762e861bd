"""`smalldet models` says of every embedded model, and of any file, what it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from smalldet.cli import main
from smalldet.models import embedded_models, load_model, model_path
from smalldet.models.checkpoints.native import save_detector
from smalldet.models.facts import model_facts
from smalldet.models.speck.config import SpeckConfig


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]):
    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as stop:
            main(["models", *words])
        printed = capsys.readouterr()
        assert not stop.value.code, printed.err
        return printed.out

    return run


def test_all_embedded_models_are_listed_with_their_classes(said) -> None:
    text = said()
    for name in embedded_models():
        assert name in text
        assert all(word in text for word in load_model(name).class_names)


def test_every_embedded_model_has_a_card_a_licence_and_sizes_of_objects() -> None:
    for name in embedded_models():
        facts = model_facts(name)
        assert facts.card is not None
        assert facts.licence in ("CC BY 4.0", "CC BY-SA 4.0")
        assert len(facts.seen.side_px) == len(facts.class_names)
        assert facts.num_bytes == model_path(name).stat().st_size
    assert model_facts("speck-n-thermal-oriented").shapes == "oriented boxes"
    assert model_facts("speck-n-thermal").shapes == "boxes"


def test_one_is_told_in_full(said) -> None:
    lines = [line.split() for line in said("speck-n-aerial").splitlines()]
    assert lines[0] == ["speck-n-aerial"]
    assert ["licence", "CC", "BY-SA", "4.0"] in lines
    assert ["airplane", "sides", "12.2", "to", "40", "px;"] in [line[:6] for line in lines]


def test_a_file_without_a_card_is_told_and_timed(
    said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALLDET_BACKEND", "torch")
    config = SpeckConfig(backbone="mobilenetv3_small_050", width=16, num_context=1)
    path = tmp_path / "mine.safetensors"
    save_detector(path, config.build(("crack", "a dent"), 64), config)
    text = said(str(path), "--time")
    assert "not stated" in text
    assert "a dent" in text
    assert "ms, cpu in torch.float32" in text


def test_an_unknown_name_is_refused_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["models", "speck-x"])
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert "speck-x: no such model file" in error
    assert "speck-n-aerial" in error
