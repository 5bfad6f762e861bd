"""The networks of transformers that the DETR families stand on."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Names(NamedTuple):
    """Classes of transformers: configuration, network, and what prepares pictures."""

    config: str
    network: str
    processor: str


NETWORKS = {
    "d_fine": Names("DFineConfig", "DFineForObjectDetection", "RTDetrImageProcessor"),
    "rf_detr": Names("RfDetrConfig", "RfDetrForObjectDetection", "RfDetrImageProcessor"),
    "rt_detr_v2": Names("RTDetrV2Config", "RTDetrV2ForObjectDetection", "RTDetrImageProcessor"),
}
"""By family."""

OURS = ("num_labels", "id2label", "label2id", "num_queries", "num_denoising")
"""Keys of a configuration that a family sets itself. Queries of denoising, which train beside the
others, are not taken over: they would need the truth in the network."""


def transformers() -> Any:
    """The library.

    Raises:
        ImportError: it, or what it needs for these families, is not installed.
    """
    if find_spec("transformers") is None or find_spec("scipy") is None:
        raise ImportError("the DETR families need transformers: pip install 'smalldet[detr]'")
    return import_module("transformers")


def build_network(
    family: str, layers: Mapping[str, Any], num_classes: int, num_queries: int
) -> nn.Module:
    """An untrained network, as `without_loss` takes it out of transformers' own.

    Raises:
        ImportError: transformers is not installed.
        ValueError: a key is unknown, or the network cannot be built.
    """
    library = transformers()
    names = NETWORKS[family]
    config_class, network_class = getattr(library, names.config), getattr(library, names.network)
    known = set(config_class.__dataclass_fields__)
    for key in layers:
        if key in OURS or key not in known:
            nearest = "".join(f"; nearest: {one}" for one in get_close_matches(key, known, 1))
            why = "is set by the family itself" if key in OURS else f"no such key{nearest}"
            raise ValueError(f"model.layers.{key}: {why}")
    try:
        own = {"num_labels": num_classes, "num_queries": num_queries}
        if "num_denoising" in known:
            own["num_denoising"] = 0
        return without_loss(network_class(config_class(**layers, **own)))
    except (TypeError, RuntimeError, LookupError, AttributeError) as error:
        raise ValueError(f"model.layers: no network of transformers' {family}: {error}") from error


def without_loss(whole: Any) -> Any:
    """The model of a network of transformers, with all of its heads."""
    model = whole.model
    if whole.config.model_type == "rf_detr":  # its last heads lie beside the model
        model.class_embed, model.bbox_embed = whole.class_embed, whole.bbox_embed
    return model


def layers_of(model: Any, told: Any) -> tuple[Tensor, Tensor]:
    """What each layer of queries says: the encoder's choice, in training only, then the decoder's.

    Queries that learn in groups, apart from each other, are a layer for each group, the first group
    last.

    Args:
        model: as `without_loss` gives it.
        told: its output.

    Returns:
        Logits (B, L, Q, C) and boxes (B, L, Q, 4), cxcywh in parts of the picture's sides.
    """
    if model.config.model_type == "rf_detr":
        return _layers_of_groups(model, told)
    logits, boxes = told.intermediate_logits, told.intermediate_reference_points
    if model.training:
        logits = torch.cat((told.enc_topk_logits[:, None], logits), dim=1)
        boxes = torch.cat((told.enc_topk_bboxes[:, None], boxes), dim=1)
    return logits, boxes


def _layers_of_groups(model: Any, told: Any) -> tuple[Tensor, Tensor]:
    hidden = told.intermediate_hidden_states  # (L, B, groups * Q, channels)
    moved = model.bbox_embed(hidden)
    start = told.intermediate_reference_points
    boxes = torch.cat(
        (start[..., :2] + moved[..., :2] * start[..., 2:], moved[..., 2:].exp() * start[..., 2:]),
        dim=-1,
    )
    logits = model.class_embed(hidden)
    if model.training:
        chosen = told.enc_outputs_class.split(model.num_queries, dim=1)
        heads = zip(model.enc_out_class_embed, chosen, strict=True)
        first = torch.cat([head(one) for head, one in heads], dim=1)
        logits = torch.cat((first[None], logits))
        boxes = torch.cat((told.enc_outputs_coord_logits[None], boxes))
    return _groups_apart(logits, model.num_queries), _groups_apart(boxes, model.num_queries)


def _groups_apart(rows: Tensor, num_queries: int) -> Tensor:
    """(L, B, groups * Q, N) to (B, L * groups, Q, N)."""
    layers = torch.stack(rows.split(num_queries, dim=2), dim=1).flip(1)
    return layers.flatten(0, 1).transpose(0, 1)
