"""Trimming leaves out first what does nothing, and changes what is seen as little as can be."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smalldet.models.bottlenecks import Bottleneck, share_of
from smalldet.models.speck.config import SpeckConfig
from smalldet.models.speck.detector import Speck
from smalldet.models.trimming import trim

NARROW = SpeckConfig(size="t", width=16, num_context=1, packed=False)


def pictures(count: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def trained(config: SpeckConfig) -> Speck:
    """A detector whose norms and outputs differ from channel to channel, as after training."""
    torch.manual_seed(0)
    detector = config.build(("car", "ship"), 64).eval()
    for name, parameter in detector.named_parameters():
        if parameter.ndim == 1 and name.endswith("weight"):
            parameter.uniform_(0.5, 1.5)
    return detector


def inverted(detector: Speck) -> list[Bottleneck]:
    return detector.backbone.bottlenecks()


@torch.no_grad()
def outputs(detector: Speck) -> Tensor:
    return torch.cat(detector.network(pictures()), 2)


def test_hidden_channels_that_nothing_reads_can_go() -> None:
    detector = trained(NARROW.untrimmed())
    for bottleneck in detector.bottlenecks():
        with torch.no_grad():
            bottleneck.project.weight[:, 1::2] = 0
    before = outputs(detector)
    for bottleneck in detector.bottlenecks():
        bottleneck.keep(torch.arange(0, bottleneck.num_hidden, 2))
    torch.testing.assert_close(outputs(detector), before)


def test_channels_that_others_repeat_go_without_a_trace() -> None:
    """Half of the hidden channels are copies: the fit gives their part to those that stay."""
    detector = trained(NARROW.untrimmed())
    for bottleneck in detector.bottlenecks():
        half = bottleneck.num_hidden // 2
        with torch.no_grad():
            for layer in bottleneck.hidden:
                for tensor in (*layer.parameters(), *layer.buffers()):
                    if tensor.ndim:
                        tensor[half : 2 * half] = tensor[:half]
    before = outputs(detector)
    halves = [bottleneck.num_hidden // 2 for bottleneck in detector.bottlenecks()]
    trim(detector, halves, pictures())
    assert [bottleneck.num_hidden for bottleneck in detector.bottlenecks()] == halves
    error = (outputs(detector) - before).abs().max() / before.abs().max()
    assert error < 0.02


def test_the_fit_is_nearer_than_the_largest_weights() -> None:
    """Whoever left it out would keep the channels that weigh most, and change more."""
    wide = NARROW.untrimmed()
    before = outputs(trained(wide))
    fitted, cut = trained(wide), trained(wide)
    counts = [share_of(one.num_hidden, 0.5) for one in fitted.bottlenecks()]
    trim(fitted, counts, pictures())
    for bottleneck, num in zip(cut.bottlenecks(), counts, strict=True):
        weight = bottleneck.project.weight.detach().flatten(1).norm(dim=0)
        bottleneck.keep(weight.topk(num).indices)
    assert (outputs(fitted) - before).norm() < 0.7 * (outputs(cut) - before).norm()


def test_what_is_trimmed_is_what_the_size_builds() -> None:
    wide = trained(NARROW.untrimmed())
    narrow = NARROW.build(("car", "ship"), 64).eval()
    trim(wide, [one.num_hidden for one in narrow.bottlenecks()], pictures())
    narrow.load_state_dict(wide.state_dict())
    torch.testing.assert_close(outputs(narrow), outputs(wide))


def test_hidden_channels_that_squeeze_and_excitation_reads_stay() -> None:
    torch.manual_seed(0)
    backbone = SpeckConfig(backbone="mobilenetv3_small_050", width=16).build("a", 64).backbone
    gated = [
        m for m in backbone.modules() if hasattr(m, "se") and not isinstance(m.se, nn.Identity)
    ]
    assert gated, "the network has such blocks"
    assert not {one.block for one in backbone.bottlenecks()} & set(gated)
