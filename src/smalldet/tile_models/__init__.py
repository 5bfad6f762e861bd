"""Tile models: what a Predictor works on, whatever computes it."""

from smalldet.tile_models.protocol import TileModel
from smalldet.tile_models.runtimes import RUNTIMES, Runtime, backend_of, open_tile_model
from smalldet.tile_models.torch_model import TorchTileModel

__all__ = ["RUNTIMES", "Runtime", "TileModel", "TorchTileModel", "backend_of", "open_tile_model"]
