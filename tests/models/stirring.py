"""Untrained networks of transformers whose every weight matters."""

from __future__ import annotations

from torch import nn


def stir(network: nn.Module) -> None:
    """Fill what starts as zeros, which would hide what is mixed up, and set scores apart.

    Of places with equal scores each runtime takes others as queries; in a trained network none
    are equal.
    """
    for name, weights in network.named_parameters():
        if not weights.requires_grad:
            continue
        if "enc_score_head" in name:
            nn.init.normal_(weights)
        elif not weights.any():
            nn.init.normal_(weights, std=0.05)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
        if name.endswith("running_var"):  # keeps the small values of random layers alive
            buffer.fill_(0.02)
