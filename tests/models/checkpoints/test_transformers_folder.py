"""Folders of transformers: what is read computes what transformers itself computes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from smalldet.cli import main
from smalldet.models import is_hub_name, load_model
from smalldet.models.checkpoints.loaded_model import ImportHints
from smalldet.models.checkpoints.native import load_detector, save_detector
from smalldet.models.checkpoints.read_model import read_model
from smalldet.models.detr.networks import NETWORKS, transformers
from smalldet.targets import Target
from tests.models.stirring import stir
from tests.models.test_contract import SIDE, SMALLEST, pictures

NAMES = {0: "car", 1: "ship"}


def saved(family: str, folder: Path, **pictures_as: object) -> torch.nn.Module:
    """A network of random weights, in a folder as the library writes it."""
    library = transformers()
    names = NETWORKS[family]
    config_class, network_class = getattr(library, names.config), getattr(library, names.network)
    torch.manual_seed(3)
    layers = SMALLEST[family]["layers"]
    config = config_class(**layers, num_queries=40, num_labels=2)
    config.id2label = NAMES
    network = network_class(config).eval()
    stir(network)
    network.save_pretrained(folder)
    if pictures_as:
        (folder / "preprocessor_config.json").write_text(json.dumps(pictures_as))
    return network


@pytest.mark.parametrize("family", sorted(NETWORKS))
def test_outputs_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    network = saved(family, tmp_path, do_normalize=False, size={"height": 96, "width": 96})
    loaded = read_model(tmp_path / "model.safetensors")
    assert loaded.detector.class_names == ("car", "ship")
    assert loaded.detector.tile_px == 96
    assert loaded.config.family == family
    images = pictures(2)
    with torch.no_grad():
        logits, boxes = loaded.detector.network(images)
        wanted = network(images.float() / 255)
    torch.testing.assert_close(logits, wanted.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(boxes, wanted.pred_boxes, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", sorted(NETWORKS))
def test_detections_are_those_of_its_own_processor(family: str, tmp_path: Path) -> None:
    """Where the folder does not say how pictures are prepared, as the library does it by itself."""
    network = saved(family, tmp_path)
    detector = load_model(tmp_path)
    processor = getattr(transformers(), NETWORKS[family].processor)(do_resize=False)
    with torch.no_grad():
        outputs = network(processor(pictures(1), return_tensors="pt")["pixel_values"])
    (wanted,) = processor.post_process_object_detection(outputs, 0.0, [(SIDE, SIDE)])
    (found,) = detector.predict(pictures(1), 0.0, 40)
    torch.testing.assert_close(found.scores, wanted["scores"], rtol=1e-4, atol=1e-6)
    ours = torch.cat((found.labels[:, None].float() * SIDE, found.boxes), dim=1)
    theirs = torch.cat((wanted["labels"][:, None].float() * SIDE, wanted["boxes"]), dim=1)
    exact = "donot_use_mm_for_euclid_dist"
    apart = torch.cdist(
        ours, theirs, compute_mode=exact
    )  # nearly equal scores may come in another order
    assert (apart.min(dim=0).values < 1e-2).sum() >= 39  # one may be the last or left out


def test_pictures_are_normalised_as_the_folder_says(tmp_path: Path) -> None:
    mean, std = [0.4, 0.5, 0.6], [0.2, 0.3, 0.4]
    network = saved("d_fine", tmp_path, do_normalize=True, image_mean=mean, image_std=std)
    detector = load_model(tmp_path / "model.safetensors")
    shaped = [torch.tensor(one).view(-1, 1, 1) for one in (mean, std)]
    with torch.no_grad():
        wanted = network((pictures(1).float() / 255 - shaped[0]) / shaped[1]).logits
        torch.testing.assert_close(detector.network(pictures(1))[0], wanted, rtol=1e-4, atol=1e-5)
    save_detector(
        tmp_path / "ours.safetensors", detector, read_model(tmp_path / "model.safetensors").config
    )
    again = load_detector(tmp_path / "ours.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(again.network(pictures(1))[0], wanted, rtol=1e-4, atol=1e-5)


def test_a_folder_is_trained_on_from_the_command_line(
    tmp_path: Path, draw_set: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """With other classes and tiles than its own, and too few queries for some of them."""
    saved("d_fine", tmp_path / "hub", do_normalize=False, size={"height": 96, "width": 96})
    folder = draw_set("train").parent
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "train", "--data", str(folder), "--out", str(tmp_path / "run"), "--device", "cpu",
                "--model", str(tmp_path / "hub"), "--tile", "64", "--batch", "4", "--epochs", "1",
                "data.cache_mb=0",
            ]
        )  # fmt: skip
    assert not stop.value.code
    trained = read_model(tmp_path / "run" / "last.safetensors")
    assert trained.config.family == "d_fine"
    assert trained.detector.tile_px == 64
    nothing = torch.zeros(50, dtype=torch.long)
    boxes = torch.tensor([[10.0, 10, 14, 14]]).expand(50, -1)
    for _ in range(2):
        trained.detector.loss(pictures(1), [Target.of(boxes, nothing, 1)])
    assert caplog.text.count("50 objects and the model 40 queries") == 1


def test_other_networks_and_damage_are_refused_by_name(tmp_path: Path) -> None:
    saved("d_fine", tmp_path)
    path, told = tmp_path / "model.safetensors", tmp_path / "config.json"
    with pytest.raises(ValueError, match="says what network"):
        read_model(path, ImportHints(network="d_fine"))
    with pytest.raises(ValueError, match="2 classes"):
        read_model(path, ImportHints(class_names=("a", "b", "c")))
    content = json.loads(told.read_text())
    told.write_text(json.dumps({**content, "architectures": ["DetrForObjectDetection"]}))
    with pytest.raises(ValueError, match=r"model\.safetensors: of transformers' DetrFor"):
        read_model(path)
    told.write_text(json.dumps({**content, "decoder_layers": 4}))
    with pytest.raises(ValueError, match="lacks"):
        read_model(path)
    told.write_text("{")
    with pytest.raises(ValueError, match=r"config\.json: no JSON"):
        read_model(path)


def test_names_of_the_hub_are_no_files() -> None:
    assert is_hub_name("ustc-community/dfine-small-coco")
    assert is_hub_name("PekingU/rtdetr_v2_r18vd")
    for name in ("speck-n-aerial", "runs/train/best.safetensors", "src/weights", "/a/b", "a/b/c"):
        assert not is_hub_name(name), name
