"""Options of an export as values: described, checked, and without torch."""

from __future__ import annotations

from typing import Literal, TypedDict

from pydantic import Field, model_validator

from smalldet.config.base import Frozen

FormatName = Literal["onnx", "openvino"]


class ExportOptions(Frozen):
    """What is written, and for which tiles."""

    format: FormatName = Field(
        default="onnx", description="onnx: one file; openvino: a folder of its two and one of ours."
    )
    int8: bool = Field(
        default=False,
        description="Compute in 8 bits where that costs no small objects; needs data.",
    )
    fp16: bool = Field(default=False, description="Store weights in half precision.")
    tile_px: int | None = Field(
        default=None,
        ge=1,
        description="Fix the side of tiles, px; any multiple of the stride if not given.",
    )
    batch: int | None = Field(
        default=None, ge=1, description="Fix the number of tiles at a time; any if not given."
    )

    @model_validator(mode="after")
    def _fit_together(self) -> ExportOptions:
        if self.int8 and self.fp16:
            raise ValueError("int8 and fp16 are two precisions of the weights: choose one")
        if self.int8 and self.format != "openvino":
            raise ValueError("int8 is written for OpenVINO only: say format openvino")
        return self


class ExportKeywords(TypedDict, total=False):
    """Fields of `ExportOptions` as keyword arguments."""

    format: FormatName
    int8: bool
    fp16: bool
    tile_px: int | None
    batch: int | None
