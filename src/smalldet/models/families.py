"""The families of detectors and their schemas, in one table.

Every schema has `family`, the property `max_stride` (sides of training tiles are multiples of it)
and `build(class_names, tile_px)`, which gives an untrained detector.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ValidatorFunctionWrapHandler, WrapValidator

from smalldet.config.base import Frozen
from smalldet.models.rcnn.faster_rcnn import FasterRcnnConfig
from smalldet.models.rcnn.mask_rcnn import MaskRcnnConfig
from smalldet.models.rcnn.retinanet import RetinaNetConfig
from smalldet.models.speck.detector import SpeckConfig
from smalldet.models.yolo.config import YoloConfig

AnyConfig = SpeckConfig | YoloConfig | FasterRcnnConfig | MaskRcnnConfig | RetinaNetConfig

FAMILIES: dict[str, type[AnyConfig]] = {
    "faster_rcnn": FasterRcnnConfig,
    "mask_rcnn": MaskRcnnConfig,
    "retinanet": RetinaNetConfig,
    "speck": SpeckConfig,
    "yolo": YoloConfig,
}


def _of_its_family(content: Any, _: ValidatorFunctionWrapHandler) -> Frozen:
    """`content` under the schema that its `family` names, so that mistakes are told of that one."""
    if not isinstance(content, dict):
        if isinstance(content, tuple(FAMILIES.values())):
            return content
        raise ValueError(f"expected the keys of a model, found {type(content).__name__}")
    family = content.get("family", "speck")
    if family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}; known: {sorted(FAMILIES)}")
    return FAMILIES[family].model_validate(content)


ModelConfig = Annotated[AnyConfig, WrapValidator(_of_its_family)]
