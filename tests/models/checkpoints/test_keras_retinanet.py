"""keras-retinanet's `.h5` files: names, order of axes, and numbers against the package."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from smalldet.models.checkpoints import keras_retinanet
from smalldet.models.checkpoints.loaded_model import ImportHints
from smalldet.models.rcnn.pyramid import _pad_like_tensorflow

h5py = pytest.importorskip("h5py")
CLASSES = ("car", "ship", "plane", "bus")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("conv1/kernel:0", "backbone.body.conv1.weight"),
        ("bn_conv1/moving_variance:0", "backbone.body.bn1.running_var"),
        ("res4f_branch2b/kernel:0", "backbone.body.layer3.5.conv2.weight"),
        ("bn2a_branch1/gamma:0", "backbone.body.layer1.0.downsample.1.weight"),
        ("C3_reduced/bias:0", "backbone.fpn.inner_blocks.0.0.bias"),
        ("P5/kernel:0", "backbone.fpn.layer_blocks.2.0.weight"),
        ("P7/bias:0", "backbone.fpn.extra_blocks.p7.bias"),
        ("pyramid_regression_3/kernel:0", "head.regression_head.conv.3.0.weight"),
        ("pyramid_classification/bias:0", "head.classification_head.cls_logits.bias"),
    ],
)
def test_names_become_torchvisions(theirs: str, ours: str) -> None:
    array = np.arange(24, dtype=np.float32)
    if "kernel" in theirs:
        array = array.reshape(1, 2, 3, 4)  # height, width, in, out
    ((name, value),) = keras_retinanet._renamed(theirs, array)
    assert name == ours
    if value.ndim == 4:
        assert value.shape == (4, 3, 1, 2) and value[3, 2, 0, 1] == array[0, 1, 2, 3]


@pytest.mark.parametrize(("side", "pads"), [(8, (0, 1)), (7, (1, 1))])
def test_padding_is_that_of_tensorflow(side: int, pads: tuple[int, int]) -> None:
    """On a map of even size only its end is padded: else every anchor would be half a cell off."""
    convolution = nn.Conv2d(1, 1, 3, 2, 1)
    x = torch.rand(1, 1, side, side)
    plain = nn.functional.pad(x, pads + pads)
    wanted = nn.functional.conv2d(plain, convolution.weight, convolution.bias, stride=2)
    _pad_like_tensorflow(convolution)
    assert torch.equal(convolution(x), wanted)


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["dense/dense/kernel:0"] = np.zeros((2, 2), np.float32)
    with pytest.raises(ValueError, match=r"other\.h5: no keras-retinanet over ResNet-50"):
        keras_retinanet.load(path, ImportHints())
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(ValueError, match=r"other\.h5: not a readable HDF5 file"):
        keras_retinanet.load(path, ImportHints())


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")  # the peer's own
@pytest.mark.parametrize("weights_only", [False, True])
def test_numbers_are_keras_retinanets(
    weights_only: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_parity: Callable[..., None],
) -> None:
    """Scores, and boxes before suppression; the picture has an odd number of coarsest cells."""
    # It is older than Keras 3: tf-keras is what it knows, whatever way it asks for it
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    monkeypatch.setitem(sys.modules, "keras", pytest.importorskip("tf_keras"))
    models = pytest.importorskip("keras_retinanet.models")
    net = models.backbone("resnet50").retinanet(len(CLASSES))
    rng = np.random.default_rng(0)
    weights = []
    for variable, value in zip(net.weights, net.get_weights(), strict=True):
        if "moving_variance" in variable.name or "gamma" in variable.name:
            value = rng.uniform(0.3, 0.7, value.shape)
        elif "moving_mean" in variable.name:
            value = rng.normal(0, 0.1, value.shape)
        elif variable.name.endswith("pyramid_classification/kernel:0"):
            value = rng.normal(0, 0.02, value.shape)
        weights.append(value.astype(np.float32))
    net.set_weights(weights)
    path = tmp_path / "net.h5"
    (net.save_weights if weights_only else net.save)(path)
    detector: Any = keras_retinanet.load(path, ImportHints(class_names=CLASSES)).detector
    picture = rng.integers(0, 256, (256, 224, 3), dtype=np.uint8)
    bgr = picture[..., ::-1].astype(np.float32) - np.array([103.939, 116.779, 123.68], np.float32)
    codes, scores = net.predict(bgr[None])
    with torch.no_grad():
        logits, own_codes = detector.network(torch.from_numpy(picture).permute(2, 0, 1)[None])
    record = partial(record_parity, "retinanet", f"keras-retinanet {version('keras-retinanet')}")
    record("raw scores", float((logits.sigmoid() - torch.from_numpy(scores)).abs().max()))
    record("raw box codes", float((own_codes - torch.from_numpy(codes)).abs().max()))
    torch.testing.assert_close(logits.sigmoid(), torch.from_numpy(scores), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(own_codes, torch.from_numpy(codes), rtol=1e-4, atol=1e-4)
    whole = models.retinanet.retinanet_bbox(net, nms=False, class_specific_filter=False)
    boxes = torch.from_numpy(whole.predict(bgr[None])[0][0])
    (found,) = detector.predict(torch.from_numpy(picture).permute(2, 0, 1)[None], 0.05, 10_000)
    nearest = (found.boxes[:50, None] - boxes).abs().amax(2).amin(1)
    inside = (found.boxes[:50] > 2).all(1) & (found.boxes[:50] < 220).all(1)
    record("boxes, px", float(nearest[inside].max()))
    assert inside.sum() > 5 and (nearest[inside] < 0.01).all()
