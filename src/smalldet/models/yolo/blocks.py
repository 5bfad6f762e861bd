"""Blocks of our own network texts, and the layers that each stands for.

Sources: Redmon and Farhadi 2018 (YOLOv3), arXiv 1804.02767, table 1 for `residual`; Wang et al.
2019 (CSPNet), arXiv 1911.11929, for `csp`; Bochkovskiy et al. 2020 (YOLOv4), arXiv 2004.10934, for
`spp` and the tiny CSP stage; the public network texts of YOLOv5 for `c3` and `sppf`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

from pydantic import Field

from smalldet.config.base import Frozen
from smalldet.models.yolo.block_writer import BlockWriter
from smalldet.models.yolo.specs import Activation, Pad, Upsample, Yolo

Filters = Field(ge=1, le=65_536)
Repeat = Field(default=1, ge=1, le=100)


class Block(Frozen, ABC):
    """One line of a network text: a key of `BLOCKS` with its options.

    Args:
        name: by which later lines can read it.
        source: `from` in the text: whose output it reads; default: the line before.
    """

    name: str | None = None
    source: str | None = Field(default=None, alias="from")

    @property
    def reads(self) -> tuple[str | None, ...]:
        """Names of the lines that it reads; None is the line before."""
        return (self.source,)

    @abstractmethod
    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        """Add the block's layers; returns the number of the one that holds its result."""


class ConvBlock(Block):
    """`conv: filters`: convolution, normalisation, activation."""

    conv: int = Filters
    size: int = Field(default=1, ge=1, le=64)
    stride: int = Field(default=1, ge=1, le=64)
    padding: int | None = Field(default=None, ge=0, le=64)
    groups: int = Field(default=1, ge=1)
    activation: Activation | None = None
    normalised: bool = True
    exact: bool = Field(default=False, description="filters are not multiplied by the width")

    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        return writer.conv(
            source,
            self.conv if self.exact else writer.style.filters(self.conv),
            self.size,
            self.stride,
            activation=self.activation,
            normalised=self.normalised,
            padding_px=self.padding,
            groups=self.groups,
        )


class ResidualBlock(Block):
    """`residual: filters`: bottlenecks in a row."""

    residual: int = Filters
    repeat: int = Repeat
    shortcut: bool = True

    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        filters = writer.style.filters(self.residual)
        for _ in range(writer.style.repeats(self.repeat)):
            source = writer.bottleneck(source, filters // 2, filters, self.shortcut)
        return source


class CspBlock(Block):
    """`csp: filters`: a stage of YOLOv4's backbone; half of the channels pass the bottlenecks by.

    With `whole` both ways have all channels, as in the first stage.
    """

    csp: int = Filters
    repeat: int = Repeat
    whole: bool = False
    activation: Activation | None = None

    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        if self.activation is not None:
            writer = BlockWriter(writer.builder, replace(writer.style, activation=self.activation))
        filters = writer.style.filters(self.csp)
        inner = filters if self.whole else filters // 2
        beside = writer.conv(source, inner)
        x = writer.conv(source, inner)
        for _ in range(writer.style.repeats(self.repeat)):
            x = writer.bottleneck(x, filters // 2, inner)
        x = writer.conv(x, inner)
        return writer.conv(writer.concat(x, beside), filters)


class TinyCspBlock(Block):
    """`tiny_csp: filters`: a stage of YOLOv4-tiny, up to what is laid beside its input."""

    tiny_csp: int = Filters

    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        filters = writer.style.filters(self.tiny_csp)
        half = writer.concat(source, groups=2, group_id=1)
        first = writer.conv(half, filters // 2, 3)
        second = writer.conv(first, filters // 2, 3)
        return writer.conv(writer.concat(second, first), filters)


class C3Block(Block):
    """`c3: filters`: YOLOv5's stage: bottlenecks of half width beside a plain way."""

    c3: int = Filters
    repeat: int = Repeat
    shortcut: bool = True

    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        filters = writer.style.filters(self.c3)
        inner = filters // 2
        x = writer.conv(source, inner)
        for _ in range(writer.style.repeats(self.repeat)):
            x = writer.bottleneck(x, inner, inner, self.shortcut)
        beside = writer.conv(source, inner)
        return writer.conv(writer.concat(x, beside), filters)


class SppBlock(Block):
    """`spp: [13, 9, 5]`: poolings of these sizes beside each other, the input behind them."""

    spp: tuple[int, ...] = Field(min_length=1)

    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        return writer.concat(*(writer.pool(source, size) for size in self.spp), source)


class SppfBlock(Block):
    """`sppf: filters`: poolings of one size after each other, between two 1 x 1 convolutions.

    With several sizes, the poolings are beside each other (YOLOv5 up to release 5).
    """

    sppf: int = Filters
    sizes: tuple[int, ...] = (5,)

    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        filters = writer.style.filters(self.sppf)
        x = writer.conv(source, writer.channels(source) // 2)
        if len(self.sizes) > 1:
            pooled = [x, *(writer.pool(x, size) for size in self.sizes)]
        else:
            pooled = [x]
            for _ in range(3):
                pooled.append(writer.pool(pooled[-1], *self.sizes))
        return writer.conv(writer.concat(*pooled), filters)


class PoolBlock(Block):
    """`pool: size`: largest of each window; `padding` is the sum of both sides."""

    pool: int = Field(ge=1, le=64)
    stride: int = Field(default=1, ge=1, le=64)
    padding: int | None = Field(default=None, ge=0, le=64)

    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        return writer.pool(source, self.pool, self.stride, self.padding)


class PadBlock(Block):
    """`pad: [before, after]`: zeros around the picture."""

    pad: tuple[int, int]

    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        if not all(0 <= side <= 64 for side in self.pad):
            raise ValueError(f"pad {list(self.pad)} must lie in 0..64")
        return writer.builder.add(Pad((source,), *self.pad))


class UpsampleBlock(Block):
    """`upsample: stride`: every pixel repeated."""

    upsample: int = Field(ge=1, le=64)

    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        return writer.builder.add(Upsample((source,), self.upsample))


class OutputBlock(Block):
    """`yolo: [0, 1, 2]`: an output for these anchors, and the 1 x 1 convolution before it."""

    yolo: tuple[int, ...] = Field(min_length=1)
    scale_xy: float | None = Field(default=None, ge=1, le=4)

    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        style = writer.style
        if not all(0 <= i < len(style.anchors) for i in self.yolo):
            raise ValueError(f"yolo must point into {len(style.anchors)} anchors")
        filters = len(self.yolo) * (5 + style.num_classes)
        raw = writer.conv(source, filters, activation="linear", normalised=False)
        shared = dict(style.output or {})
        if self.scale_xy is not None:
            shared["scale_xy"] = self.scale_xy
        return writer.builder.add(
            Yolo((raw,), style.anchors, self.yolo, num_classes=style.num_classes, **shared)
        )


class ConcatBlock(Block):
    """`concat: [a, b]`: named lines side by side."""

    concat: tuple[str, ...] = Field(min_length=1)

    @property
    def reads(self) -> tuple[str | None, ...]:
        return self.concat

    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        return writer.concat(source, *others)


class SumBlock(Block):
    """`sum: [a, b]`: named lines added."""

    sum: tuple[str, ...] = Field(min_length=2)

    @property
    def reads(self) -> tuple[str | None, ...]:
        return self.sum

    def lower(self, writer: BlockWriter, source: int, *others: int) -> int:
        return writer.add(source, *others)


BLOCKS: dict[str, type[Block]] = {
    "c3": C3Block,
    "concat": ConcatBlock,
    "conv": ConvBlock,
    "csp": CspBlock,
    "pad": PadBlock,
    "pool": PoolBlock,
    "residual": ResidualBlock,
    "spp": SppBlock,
    "sppf": SppfBlock,
    "sum": SumBlock,
    "tiny_csp": TinyCspBlock,
    "upsample": UpsampleBlock,
    "yolo": OutputBlock,
}
