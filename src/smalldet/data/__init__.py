"""Labelled pictures: the Index, its formats, and the tiles that a detector is trained on."""

from smalldet.data.drawing import draw_batch
from smalldet.data.index import ImageRecord, Index, joined
from smalldet.data.loading import EpochSampler, collate, loader
from smalldet.data.tiled import TiledDataset

__all__ = [
    "EpochSampler",
    "ImageRecord",
    "Index",
    "TiledDataset",
    "collate",
    "draw_batch",
    "joined",
    "loader",
]
