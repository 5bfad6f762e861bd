"""Attention can be put behind pretrained features without spoiling them."""

from __future__ import annotations

import pytest
import torch

from smalldet.models.attention import AttentionName, LevelAttention, build_attention

NAMES: list[AttentionName] = ["se", "eca", "cbam", "coord"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("training", [True, False])
def test_a_fresh_block_changes_its_input_by_a_tenth_at_most(
    name: AttentionName, training: bool
) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 24, 10, 14)
    changed = build_attention(name, 24).train(training)(x)
    assert changed.shape == x.shape
    assert ((changed - x).abs() <= 0.1 * x.abs() + 1e-6).all()
    assert not torch.equal(changed, x)


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_of_a_fresh_block_learns(name: AttentionName) -> None:
    torch.manual_seed(0)
    block = build_attention(name, 16)
    block(torch.randn(2, 16, 8, 8)).square().sum().backward()
    still = [key for key, p in block.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_levels_have_blocks_of_their_own_and_none_has_no_weights() -> None:
    features = [torch.randn(1, 8, 8, 8), torch.randn(1, 16, 4, 4)]
    attended = LevelAttention("se", (8, 16))(features)
    assert [f.shape for f in attended] == [f.shape for f in features]
    nothing = LevelAttention("none", (8, 16))
    assert not nothing.state_dict()
    assert all(torch.equal(a, b) for a, b in zip(nothing(features), features, strict=True))
