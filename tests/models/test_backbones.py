"""Backbones are asked for by strides, and are cut behind the coarsest."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models import alexnet

from smalldet.models.backbones import Backbone
from smalldet.models.backbones.imagenet import imagenet_state

STRIDES = (4, 8, 16)
# one of each kind, small
KINDS = [
    "alexnet",
    "vgg11_bn",
    "resnet18",
    "res2net50_26w_4s",
    "tf_efficientnet_lite0",
    "convnextv2_atto",
    "pvt_v2_b0",
]
MORE_KINDS = [
    "fastvit_t8",
    "mobilenetv4_conv_small_035",
    "mobilenetv3_small_050",
    "regnetx_002",
    "densenet121",
    "cspdarknet53",
    "hgnetv2_b0",
    "repvit_m0_9",
    "efficientvit_b0",
    "edgenext_xx_small",
    "tiny_vit_5m_224",
    "poolformer_s12",
    "caformer_s18",
    "swiftformer_xs",
    "starnet_s1",
    "mambaout_femto",
]
# 5 and 7 of the coarsest cells: odd at every level that is coarser
HEIGHT, WIDTH = 80, 112


@pytest.fixture(
    scope="module",
    params=[*KINDS, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE_KINDS)],
)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    torch.manual_seed(0)
    return Backbone(request.param, STRIDES)


def pictures(num: int = 2) -> Tensor:
    return torch.rand(num, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))


def test_features_have_the_strides_and_channels_that_it_states(backbone: Backbone) -> None:
    features = backbone.eval()(pictures())
    assert [tuple(f.shape) for f in features] == [
        (2, channels, HEIGHT // stride, WIDTH // stride)
        for channels, stride in zip(backbone.channels, STRIDES, strict=True)
    ]


def test_every_weight_that_is_kept_learns(backbone: Backbone) -> None:
    """What lies behind the coarsest stride is cut, so nothing is left that gets no gradient."""
    backbone.zero_grad()
    torch.stack([f.square().mean() for f in backbone.train()(pictures())]).sum().backward()
    unused = [name for name, p in backbone.named_parameters() if p.grad is None]
    assert unused == []


def test_frozen_stages_and_norms_do_not_learn(backbone: Backbone) -> None:
    frozen = Backbone(backbone.name, STRIDES, num_frozen_stages=1, freeze_norms=True).train()
    before = {key: value.clone() for key, value in frozen.named_buffers()}
    torch.stack([f.square().mean() for f in frozen(pictures())]).sum().backward()
    assert all(torch.equal(before[key], value) for key, value in frozen.named_buffers())
    norms = [m for m in frozen.modules() if isinstance(m, _BatchNorm)]
    assert not any(p.requires_grad for norm in norms for p in norm.parameters())
    of_norms = {id(p) for norm in norms for p in norm.parameters()}
    learning = [p.requires_grad for p in frozen.parameters() if id(p) not in of_norms]
    num_frozen = len(learning) - sum(learning)
    assert 0 < num_frozen < len(learning)
    assert learning == sorted(learning), "stages are frozen from the stem on"


def test_more_frozen_stages_freeze_more() -> None:
    num_frozen = []
    for num in range(4):
        backbone = Backbone("test_convnext", STRIDES, num_frozen_stages=num)
        num_frozen.append(sum(not p.requires_grad for p in backbone.parameters()))
    assert num_frozen[0] == 0
    assert num_frozen == sorted(set(num_frozen))


def test_what_lies_behind_the_coarsest_stride_is_cut() -> None:
    cut = sum(p.numel() for p in Backbone("test_resnet", (4, 8, 16)).parameters())
    whole = sum(p.numel() for p in Backbone("test_resnet", (4, 8, 16, 32)).parameters())
    assert cut < whole / 3


def test_alexnet_sees_what_torchvision_s_does_inside_the_border() -> None:
    """Only the padding differs: torchvision's map is ours less a border, where it pads less."""
    torch.manual_seed(0)
    peer = alexnet().features.eval()
    ours = Backbone("alexnet", (4,)).eval()
    ours.net.model.load_state_dict({f"features.{k}": v for k, v in peer[:2].state_dict().items()})
    picture = pictures(1)
    # torchvision's first cell stands 2 px into the picture, ours 3
    shifted = torch.nn.functional.pad(picture, (1, 0, 1, 0))
    (found,), wanted = ours(picture), peer[:2](shifted)
    torch.testing.assert_close(found[:, :, :-1, :-1], wanted[:, :, : found.shape[2] - 1])


def test_unknown_names_and_strides_are_refused() -> None:
    with pytest.raises(ValueError, match="resnet19"):
        Backbone("resnet19", (4, 8))
    with pytest.raises(ValueError, match="strides"):
        Backbone("test_resnet", (4, 128))


def test_networks_for_one_size_of_picture_or_with_rounded_maps_are_refused() -> None:
    with pytest.raises(ValueError, match="does not take pictures"):
        Backbone("swin_tiny_patch4_window7_224", (4, 8))
    with pytest.raises(ValueError, match="do not lie on its strides"):
        Backbone("mobilevitv2_050", (8, 16))


def test_imagenet_weights_from_a_file_in_either_naming(tmp_path: Path) -> None:
    """timm's own names are taken as they are; another naming by order where all shapes agree."""
    model = timm.create_model("mobilenetv3_small_050")
    state = model.state_dict()
    torch.save(state, tmp_path / "timm.pth")
    torch.save({f"other.{i}": v for i, v in enumerate(state.values())}, tmp_path / "other.pth")
    torch.save({"x": torch.zeros(3)}, tmp_path / "wrong.pth")
    for file in ("timm.pth", "other.pth"):
        read = imagenet_state("mobilenetv3_small_050", tmp_path / file)
        assert all(torch.equal(read[k], v) for k, v in state.items())
        backbone = Backbone("mobilenetv3_small_050", (4, 8))
        backbone.load_imagenet(tmp_path / file)
        assert torch.equal(backbone.net.model.conv_stem.weight, state["conv_stem.weight"])
    with pytest.raises(ValueError, match=r"wrong\.pth"):
        imagenet_state("mobilenetv3_small_050", tmp_path / "wrong.pth")
    with pytest.raises(FileNotFoundError, match=r"absent\.pth"):
        imagenet_state("mobilenetv3_small_050", tmp_path / "absent.pth")
