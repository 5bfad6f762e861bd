"""A run that is stopped goes on where it was, and comes to the same result."""

import os
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from smalldet.imagery import ImageryOptions, open_scene
from smalldet.imagery.sources import find_sources
from smalldet.inference import prediction_checkpoint
from smalldet.inference.options import PredictOptions
from smalldet.inference.predict import Listener, predict_sources
from smalldet.inference.prediction_checkpoint import picture_fingerprint
from smalldet.inference.predictor import Predictor
from tests.imagery.test_mosaics import cut, noise

TWO_AT_A_TIME = PredictOptions(batch_size=2)

MAKE = """
import torch
from smalldet.models.speck.config import SpeckConfig
from smalldet.tile_models import TorchTileModel
torch.manual_seed(5)
config = SpeckConfig(backbone="mobilenetv3_small_050", width=16, strides=(8, 16))
detector = config.build(["a", "b"], tile_px=64).eval()
for output in detector.head.class_outputs:
    torch.nn.init.normal_(output.weight)  # scores that differ from place to place
model = TorchTileModel(detector, "cpu")
"""
KILLED = """
import os, signal, sys
from smalldet.inference import prediction_checkpoint
from smalldet.inference.options import PredictOptions
from smalldet.inference.predict import Listener, predict_sources
prediction_checkpoint.INTERVAL_S = 0.0

def on_progress(source, done, total):
    if done > total * 0.6:
        os.kill(os.getpid(), signal.SIGKILL)

options = PredictOptions(conf=float(sys.argv[3]), batch_size=4)
listener = Listener(on_progress=on_progress)
predict_sources(model, sys.argv[1:2], sys.argv[2], options, listener=listener)
"""


class StoppedError(Exception):
    """Somebody pressed a key."""


@pytest.fixture
def always_noting(monkeypatch):
    monkeypatch.setattr(prediction_checkpoint, "INTERVAL_S", 0.0)


@pytest.fixture
def picture(draw_squares, tmp_path):
    scene, _ = draw_squares(500, 430, 80)
    Image.fromarray(scene).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def stop_at(share):
    def on_progress(*what):
        if what[-2] > what[-1] * share:
            raise StoppedError

    return on_progress


def table(detections):
    scores, labels = detections.scores[:, None], detections.labels[:, None]
    return torch.cat((detections.boxes, scores, labels), 1).tolist()


def stopping_at(share):
    return Listener(on_progress=stop_at(share))


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_result(tmp_path):
    """SIGKILL amid the tiles of a real detector; boxes and scores are equal to the last bit."""
    noise = np.random.default_rng(0).integers(0, 255, (300, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    made: dict[str, Any] = {}
    exec(MAKE, made)
    model = made["model"]
    # half of what there is, by scores as they come out in this machine's precision
    every = Predictor(model, PredictOptions(conf=0.0, batch_size=4)).predict(noise)
    conf = float(every.scores.median())

    out = tmp_path / "found.json"
    words = [sys.executable, "-W", "ignore", "-c", MAKE + KILLED, tmp_path / "a.png", out]
    killed = subprocess.run([*words, str(conf)], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not out.exists()
    assert list((tmp_path / ".found.json.partial" / "a").iterdir())

    seen: list[float] = []
    options = PredictOptions(conf=conf, batch_size=4)
    listener = Listener(on_progress=lambda _, done, total: seen.append(done / total))
    resumed = predict_sources(
        model, [tmp_path / "a.png"], out, options, resume=True, listener=listener
    )
    assert seen[0] > 0.6  # the first part was not predicted again
    assert not (tmp_path / ".found.json.partial").exists()
    unbroken = predict_sources(model, [tmp_path / "a.png"], tmp_path / "b.json", options)
    detections = resumed.results[0].detections
    assert len(detections) > 20
    assert table(detections) == table(unbroken.results[0].detections)


def test_only_the_rest_is_predicted(finder, picture, tmp_path, always_noting):
    predictor = Predictor(finder, PredictOptions(overlap_frac=0.4, batch_size=2))
    whole = predictor.predict(picture)
    with pytest.raises(StoppedError):
        predictor.predict(picture, checkpoint=tmp_path / "j", on_progress=stop_at(0.5))
    seen = []
    again = predictor.predict(
        picture,
        checkpoint=tmp_path / "j",
        on_progress=lambda done, total: seen.append(done / total),
    )
    assert table(again) == table(whole) and seen[0] > 0.5
    seen.clear()
    third = predictor.predict(
        picture, checkpoint=tmp_path / "j", on_progress=lambda *progress: seen.append(progress)
    )
    assert table(third) == table(whole) and not seen


def test_without_resume_it_begins_anew(finder, picture, tmp_path, always_noting):
    out = tmp_path / "out"
    with pytest.raises(StoppedError):
        predict_sources(finder, [picture], out, TWO_AT_A_TIME, listener=stopping_at(0.5))
    assert (out / ".partial" / "a").is_dir()
    seen = []
    listener = Listener(on_progress=lambda *what: seen.append(what[1:]))
    predict_sources(finder, [picture], out, TWO_AT_A_TIME, listener=listener)
    assert seen[0][0] < 0.2 * seen[0][1]
    assert not (out / ".partial").exists()


@pytest.mark.parametrize("what", ["conf", "model", "picture"])
def test_another_run_is_refused(finder, picture, tmp_path, always_noting, what):
    with pytest.raises(StoppedError):
        predict_sources(
            finder, [picture], tmp_path / "a.csv", TWO_AT_A_TIME, listener=stopping_at(0.5)
        )
    options = PredictOptions(batch_size=2, conf=0.6) if what == "conf" else TWO_AT_A_TIME
    if what == "model":
        finder.class_names = ("car", "other")
    if what == "picture":
        Image.open(picture).transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(picture)
    with pytest.raises(ValueError, match=rf"differs in {what} .*begin anew"):
        predict_sources(finder, [picture], tmp_path / "a.csv", options, resume=True)
    assert (tmp_path / ".a.csv.partial" / "a").is_dir()  # and nothing of it is lost


def test_a_damaged_part_is_predicted_again(finder, picture, tmp_path, always_noting):
    predictor = Predictor(finder, PredictOptions(overlap_frac=0.4, batch_size=2))
    whole = predictor.predict(picture, checkpoint=tmp_path / "j")
    files = sorted((tmp_path / "j").iterdir())
    assert len(files) > 4
    files[2].write_bytes(files[2].read_bytes()[:20])
    files[0].with_name(".000000000-000000002.77.safetensors").write_bytes(b"draft")
    assert table(predictor.predict(picture, checkpoint=tmp_path / "j")) == table(whole)


@pytest.mark.parametrize("harm", ["flip", "rename", "swap", "other run", "odd names"])
def test_a_part_that_is_not_what_it_was_is_predicted_again(
    finder, picture, tmp_path, always_noting, harm
):
    """Never another result: not with flipped bytes, nor with parts in each other's places."""
    predictor = Predictor(finder, PredictOptions(overlap_frac=0.4, batch_size=2))
    whole = predictor.predict(picture, checkpoint=tmp_path / "j")
    one, other = sorted((tmp_path / "j").iterdir())[1:3]
    if harm == "flip":
        content = bytearray(one.read_bytes())
        content[-9] ^= 1
        content[-30] ^= 1
        one.write_bytes(content)
    elif harm == "rename":
        first, behind = one.stem.split("-")
        one.rename(one.with_name(f"{first}-{int(behind) + 2:09d}.safetensors"))
    elif harm == "swap":
        content = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(content)
    elif harm == "other run":
        other_run = PredictOptions(overlap_frac=0.4, batch_size=2, conf=0.9)
        Predictor(finder, other_run).predict(picture, checkpoint=tmp_path / "k")
        one.write_bytes((tmp_path / "k" / one.name).read_bytes())
    else:
        for name in ("1a-2.safetensors", "0-\u0661.safetensors", "9" * 30 + "-1.safetensors"):
            one.with_name(name).write_bytes(one.read_bytes())
    seen = []
    again = predictor.predict(
        picture, checkpoint=tmp_path / "j", on_progress=lambda *progress: seen.append(progress)
    )
    assert table(again) == table(whole)
    assert bool(seen) == (harm != "odd names")


def test_finished_pictures_are_not_predicted_again(finder, picture, tmp_path, always_noting):
    Image.open(picture).transpose(Image.Transpose.ROTATE_180).save(tmp_path / "b.png")
    sources = [picture, tmp_path / "b.png"]

    def stop_in_second(source, done, total):
        if source.endswith("b.png") and done > total / 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        predict_sources(
            finder, sources, tmp_path / "a.json", TWO_AT_A_TIME,
            listener=Listener(on_progress=stop_in_second),
        )  # fmt: skip
    seen = []
    resumed = predict_sources(
        finder, sources, tmp_path / "a.json", TWO_AT_A_TIME, resume=True,
        listener=Listener(on_progress=lambda *what: seen.append(what[0])),
    )  # fmt: skip
    assert set(seen) == {str(tmp_path / "b.png")}
    assert len(resumed.results) == 2
    unbroken = predict_sources(finder, sources, None, TWO_AT_A_TIME)
    for one, other in zip(resumed.results, unbroken.results, strict=True):
        assert table(one.detections) == table(other.detections)


def test_another_merge_can_go_on_with_the_same_tiles(finder, picture, tmp_path, always_noting):
    """The tiles' detections do not depend on how they are merged, so a change of mind is cheap."""
    with pytest.raises(StoppedError):
        predict_sources(
            finder, [picture], tmp_path / "a.csv", TWO_AT_A_TIME, listener=stopping_at(0.5)
        )
    options = PredictOptions(batch_size=2, merge="nms", max_detections=5)
    resumed = predict_sources(finder, [picture], tmp_path / "a.csv", options, resume=True)
    assert len(resumed.results[0].detections) == 5


def test_how_a_picture_is_read_and_each_part_of_a_mosaic_tell_pictures_apart(tmp_path):
    paths = cut(tmp_path / "tiles", noise(60, 40), (30, 40))
    (mosaic,) = find_sources([tmp_path / "tiles"])
    told = set()
    for options in (ImageryOptions(), ImageryOptions(nodata=7), ImageryOptions(stretch="0,99")):
        with open_scene(mosaic, options=options) as scene:
            told.add(picture_fingerprint(scene))
    os.utime(paths[1], ns=(0, 2**62))
    with open_scene(mosaic) as scene:
        told.add(picture_fingerprint(scene))
    assert len(told) == 4
