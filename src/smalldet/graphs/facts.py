"""What a file of a graph says of itself, so that nothing else need be said to predict with it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import safetensors
import safetensors.torch
import torch
from pydantic import Field, ValidationError
from torch import Tensor

from smalldet.config.base import Frozen
from smalldet.models.checkpoints.loaded_model import LoadedModel
from smalldet.models.checkpoints.native import model_config
from smalldet.models.detector import Decoder, Detector
from smalldet.models.seen import NOTHING_KNOWN, Seen

FORMAT = "smalldet-graph-1"
FACTS_KEY = "smalldet"
PARTS_KEY = "smalldet_torch_parts"
INPUT_NAME = "images"


class GraphFacts(Frozen):
    """All that decoding and tiling need of a model whose network is a graph.

    The graph takes `images` (B, bands, H, W) uint8 and gives the raw tensors of the family's
    `network`; its normalisation is inside.
    """

    format: str = Field(default=FORMAT, description="of these facts")
    model: dict[str, Any] = Field(description="schema of the detector; its family decodes")
    class_names: tuple[str, ...] = Field(min_length=1, description="what labels point into")
    tile_px: int = Field(ge=1, le=100_000, description="side of the tiles unless told")
    conf: float = Field(ge=0, le=1, description="score over which detections count unless told")
    seen: Seen = Field(default=NOTHING_KNOWN, description="how large objects were in training")
    stride: int = Field(ge=1, description="sides of tiles are multiples of it, pixels")
    bands: int = Field(ge=1, description="of a tile")
    mean: tuple[float, ...] = Field(default=(), description="taken off bands of 0..1 in the graph")
    std: tuple[float, ...] = Field(default=(), description="and then divided by")
    batch: int | None = Field(default=None, ge=1, description="tiles at a time; None: any number")
    fixed_px: int | None = Field(default=None, ge=1, description="side of all tiles; None: any")
    weights: str = Field(default="float32", description="how they are stored")
    made_from: str = Field(description="fingerprint of the weights")
    source: str = Field(default="", description="name of the model that was exported")
    licence: str = Field(default="not stated", description="of the weights")
    smalldet: str = Field(
        default_factory=lambda: version("smalldet"), description="version that wrote the file"
    )


def facts_of(
    model: LoadedModel,
    *,
    fingerprint: str,
    source: str = "",
    licence: str = "not stated",
    batch: int | None = None,
    fixed_px: int | None = None,
) -> GraphFacts:
    """The facts of a detector."""
    detector = model.detector
    normaliser: Any = getattr(detector, "backbone", None)
    mean, std = (
        _numbers(getattr(detector, name, None), getattr(normaliser, name, None))
        for name in ("mean", "std")
    )
    return GraphFacts(
        model=model.config.model_dump(mode="json"),
        class_names=detector.class_names,
        tile_px=detector.tile_px,
        conf=detector.conf,
        seen=detector.seen,
        stride=detector.stride,
        bands=detector.in_channels,
        mean=mean,
        std=std,
        batch=batch,
        fixed_px=fixed_px,
        made_from=fingerprint,
        source=source,
        licence=licence,
    )


def to_metadata(facts: GraphFacts, detector: Detector) -> dict[str, str]:
    """Facts and the weights of what stays in torch, as texts for a file."""
    parts = {
        key: value.detach().cpu().contiguous()
        for key, value in detector.state_dict().items()
        if _in_torch(key, detector)
    }
    texts = {FACTS_KEY: facts.model_dump_json()}
    if parts:
        texts[PARTS_KEY] = base64.b64encode(safetensors.torch.save(parts)).decode()
    return texts


def from_metadata(texts: Mapping[str, str], where: str) -> tuple[GraphFacts, Decoder]:
    """Facts, and what decodes. Where that is a whole detector, its network has no trained weights.

    Args:
        texts: of a file.
        where: the file, for messages.

    Raises:
        ValueError: not written by smalldet, damaged, or the parts contradict each other.
    """
    facts = facts_in(texts, where)
    decoder = _decoder(facts, where)
    _load_parts(decoder, texts.get(PARTS_KEY, ""), where)
    return facts, decoder


def facts_in(texts: Mapping[str, str], where: str) -> GraphFacts:
    """The facts of a file alone; see `from_metadata`."""
    if FACTS_KEY not in texts:
        raise ValueError(
            f"{where}: does not say what its outputs mean; only files that `smalldet export` wrote "
            "are read: export the model itself"
        )
    try:
        content = json.loads(texts[FACTS_KEY])
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"the format of its facts is not {FORMAT}")
        facts = GraphFacts.model_validate(content)
        facts.seen.check_fits(facts.class_names, "its facts")
        return facts
    except (ValueError, RecursionError) as error:
        reason = _first(error) if isinstance(error, ValidationError) else str(error)
        raise ValueError(f"{where}: damaged, or of another version: {reason}") from error


def _decoder(facts: GraphFacts, where: str) -> Decoder:
    config = model_config(facts.model, where)
    try:
        decoder = config.decoder(facts.class_names, facts.tile_px)
    except (RuntimeError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise ValueError(f"{where}: its model cannot be built: {error}") from error
    stated = (facts.stride, facts.bands)
    if (decoder.stride, decoder.in_channels) != stated:
        raise ValueError(
            f"{where}: stride and bands {stated} are not those of its model, "
            f"{(decoder.stride, decoder.in_channels)}"
        )
    decoder.conf, decoder.seen = facts.conf, facts.seen
    if isinstance(decoder, Detector):
        decoder.eval()
        for name, parameter in decoder.named_parameters():
            if not _in_torch(name, decoder):
                parameter.data = torch.empty(0)  # the graph has its weights
    return decoder


def _load_parts(decoder: Decoder, text: str, where: str) -> None:
    """Weights of what `decode` runs itself."""
    state = decoder.state_dict() if isinstance(decoder, Detector) else {}
    wanted = {key for key in state if _in_torch(key, decoder)}
    try:
        parts = safetensors.torch.load(base64.b64decode(text, validate=True)) if text else {}
        if parts.keys() != wanted:
            raise ValueError(f"there are {len(parts)} tensors of them, and {len(wanted)} needed")
        if isinstance(decoder, Detector):
            decoder.load_state_dict(parts, strict=False)
    except (ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise ValueError(
            f"{where}: the weights of what is computed in torch are damaged: {error}"
        ) from error


def _in_torch(key: str, decoder: Decoder) -> bool:
    """Whether a parameter is of a part that `decode` runs."""
    return key.split(".")[0] in decoder.torch_parts


def _numbers(*candidates: Tensor | None) -> tuple[float, ...]:
    found = next((each for each in candidates if isinstance(each, Tensor)), None)
    return () if found is None else tuple(found.flatten().tolist())


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
