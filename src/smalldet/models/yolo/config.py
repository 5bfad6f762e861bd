"""YOLOv3, YOLOv4, YOLOv5 and every other network of their kind that a text describes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator
from torch import Tensor

from smalldet.models.attention import AttentionName, AttentionPlace
from smalldet.models.detector_config import DetectorConfig
from smalldet.models.yolo import (
    Graph,
    YoloDetector,
    known_text,
    parse_cfg,
    parse_network,
)
from smalldet.models.yolo.anchors import fit_anchors, present_anchors, shape_iou
from smalldet.models.yolo.builder import with_outputs
from smalldet.models.yolo.darknet import MAX_CFG_BYTES
from smalldet.models.yolo.insert_attention import insert_attention


class YoloConfig(DetectorConfig):
    """Schema of the YOLO family in a recipe.

    A network that is a file is read once, into `text`, so that what keeps this schema, as every
    checkpoint does, needs the file no more.
    """

    family: Literal["yolo"] = Field(default="yolo", description="which kind of detector")
    network: str = Field(default="yolov5n", description="a known network, or a .cfg or .yaml file")
    text: str | None = Field(default=None, description="of a network that is not a known one")
    anchors: Literal["default", "fitted"] | tuple[tuple[float, float], ...] = Field(
        default="default",
        description="the network's own, fitted to the data before training, or as listed",
    )
    attention: AttentionName = Field(default="none", description="gates at `attention_at`")
    attention_at: tuple[AttentionPlace, ...] = Field(
        default=("neck",),
        description="backbone: on what it gives the neck; neck: on what the outputs read",
    )
    nms_iou: float = Field(
        default=0.45, gt=0, le=1, description="boxes of a class and tile that overlap more are one"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_text(cls, content: Any) -> Any:
        if not isinstance(content, dict) or content.get("text") is not None:
            return content
        path = Path(str(content.get("network", "")))
        if not _is_file_name(path):
            return content
        if not path.is_file():
            raise ValueError(f"network {path}: no such file")
        if path.stat().st_size > MAX_CFG_BYTES:
            raise ValueError(f"network {path}: {path.stat().st_size} bytes are no network text")
        return {**content, "text": path.read_text(encoding="utf-8", errors="replace")}

    @model_validator(mode="after")
    def _sound(self) -> YoloConfig:
        graph = self.graph()
        if self.attention != "none":
            insert_attention(graph, self.attention, self.attention_at)
        if isinstance(self.anchors, tuple):
            with_outputs(graph, 1, self.anchors)
            if any(side <= 0 for anchor in self.anchors for side in anchor):
                raise ValueError("anchors must be pairs of positive sides")
        return self

    @property
    def max_stride(self) -> int:
        return self.graph().max_stride

    def graph(self) -> Graph:
        """The network as its text describes it, with the classes and anchors of the text."""
        return _graph(self.network, self.text)

    def fitted(self, sides: Tensor) -> YoloConfig:
        """The same with anchors for objects of these sides (N, 2), where it asks for that."""
        if self.anchors != "fitted":
            return self
        outputs = self.graph().outputs
        return self.model_copy(update={"anchors": fit_anchors(sides, outputs)})

    def asking_for_anchors(self) -> YoloConfig | None:
        return self.model_copy(update={"anchors": "fitted"}) if self.anchors == "default" else None

    def anchor_likeness(self, sides: Tensor) -> float:
        outputs = self.graph().outputs
        own = outputs[0].anchors if isinstance(self.anchors, str) else self.anchors
        present = sides.new_tensor([own[i] for i in present_anchors(outputs)])
        return float(shape_iou(sides.clamp(min=1e-3), present).amax(1).mean())

    def build(self, class_names: Sequence[str], tile_px: int) -> YoloDetector:
        """An untrained detector.

        Raises:
            ValueError: the anchors are to be fitted, and were not.
        """
        if self.anchors == "fitted":
            raise ValueError("anchors: fitted needs the data: `fitted` comes before `build`")
        anchors = None if isinstance(self.anchors, str) else self.anchors
        graph = with_outputs(self.graph(), len(class_names), anchors)
        if self.attention != "none":
            graph = insert_attention(graph, self.attention, self.attention_at)
        return YoloDetector(graph, class_names, tile_px=tile_px, nms_iou=self.nms_iou)


def _is_file_name(path: Path) -> bool:
    return path.suffix in (".cfg", ".yaml", ".yml")


@lru_cache(maxsize=16)
def _graph(network: str, text: str | None) -> Graph:
    if text is None:
        return parse_network(known_text(network), network)
    lines = (line.strip() for line in text.lstrip("\ufeff").splitlines())
    first = next((line for line in lines if line and line[0] not in "#;"), "")
    return parse_cfg(text, network) if first.startswith("[") else parse_network(text, network)
