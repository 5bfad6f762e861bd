"""The families of detectors and their schemas, in one table.

A family is one file with a `DetectorConfig` and one line here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

from pydantic import SerializeAsAny, ValidatorFunctionWrapHandler, WrapValidator

from smalldet.models.detector_config import DetectorConfig


class Families(Mapping[str, type[DetectorConfig]]):
    """Schemas by name, each imported when it is asked for: their libraries take seconds.

    Args:
        places: {name: module.Schema}, modules of this folder.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> type[DetectorConfig]:
        module, schema = self._places[name].rsplit(".", 1)
        return getattr(import_module(f"smalldet.models.{module}"), schema)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


FAMILIES = Families(
    {
        "d_fine": "detr.config.DFineConfig",
        "faster_rcnn": "rcnn.faster_rcnn.FasterRcnnConfig",
        "mask_rcnn": "rcnn.mask_rcnn.MaskRcnnConfig",
        "oriented_rcnn": "rcnn.oriented_rcnn.OrientedRcnnConfig",
        "retinanet": "rcnn.retinanet.RetinaNetConfig",
        "rf_detr": "detr.config.RfDetrConfig",
        "rotated_retinanet": "rcnn.rotated_retinanet.RotatedRetinaNetConfig",
        "rt_detr_v2": "detr.config.RtDetrV2Config",
        "speck": "speck.config.SpeckConfig",
        "yolo": "yolo.config.YoloConfig",
    }
)


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
