"""The families of detectors and their schemas, in one table.

A family is one file with a `DetectorConfig` and one line here.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import SerializeAsAny, ValidatorFunctionWrapHandler, WrapValidator

from smalldet.models.detector_config import DetectorConfig
from smalldet.models.detr.config import DFineConfig, RtDetrV2Config
from smalldet.models.rcnn.faster_rcnn import FasterRcnnConfig
from smalldet.models.rcnn.mask_rcnn import MaskRcnnConfig
from smalldet.models.rcnn.oriented_rcnn import OrientedRcnnConfig
from smalldet.models.rcnn.retinanet import RetinaNetConfig
from smalldet.models.rcnn.rotated_retinanet import RotatedRetinaNetConfig
from smalldet.models.speck.config import SpeckConfig
from smalldet.models.yolo.config import YoloConfig

FAMILIES: dict[str, type[DetectorConfig]] = {
    "d_fine": DFineConfig,
    "faster_rcnn": FasterRcnnConfig,
    "mask_rcnn": MaskRcnnConfig,
    "oriented_rcnn": OrientedRcnnConfig,
    "retinanet": RetinaNetConfig,
    "rotated_retinanet": RotatedRetinaNetConfig,
    "rt_detr_v2": RtDetrV2Config,
    "speck": SpeckConfig,
    "yolo": YoloConfig,
}


def _of_its_family(content: Any, _: ValidatorFunctionWrapHandler) -> DetectorConfig:
    """`content` under the schema that its `family` names, so that mistakes are told of that one."""
    if not isinstance(content, dict):
        if isinstance(content, DetectorConfig):
            return content
        raise ValueError(f"expected the keys of a model, found {type(content).__name__}")
    family = content.get("family", "speck")
    if not isinstance(family, str) or family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}; known: {sorted(FAMILIES)}")
    return FAMILIES[family].model_validate(content)


ModelConfig = Annotated[SerializeAsAny[DetectorConfig], WrapValidator(_of_its_family)]
