"""The networks of transformers that the DETR families stand on."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from torch import nn

NETWORKS = {
    "d_fine": ("DFineConfig", "DFineForObjectDetection"),
    "rt_detr_v2": ("RTDetrV2Config", "RTDetrV2ForObjectDetection"),
}
"""Classes of transformers by family: configuration and network."""

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
    """An untrained network: transformers' model without its loss.

    Raises:
        ImportError: transformers is not installed.
        ValueError: a key is unknown, or the network cannot be built.
    """
    library = transformers()
    config_class, network_class = (getattr(library, name) for name in NETWORKS[family])
    known = set(config_class.__dataclass_fields__)
    for key in layers:
        if key in OURS or key not in known:
            nearest = "".join(f"; nearest: {one}" for one in get_close_matches(key, known, 1))
            why = "is set by the family itself" if key in OURS else f"no such key{nearest}"
            raise ValueError(f"model.layers.{key}: {why}")
    try:
        config = config_class(
            **layers, num_labels=num_classes, num_queries=num_queries, num_denoising=0
        )
        return network_class(config).model
    except (TypeError, RuntimeError, LookupError, AttributeError) as error:
        raise ValueError(f"model.layers: no network of transformers' {family}: {error}") from error
