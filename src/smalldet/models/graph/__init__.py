"""Networks described by data: layer lists, the net that runs them, and Darknet's cfg format."""

from smalldet.models.graph.darknet import lower_cfg, read_cfg
from smalldet.models.graph.detector import DarknetYolo
from smalldet.models.graph.net import GraphNet
from smalldet.models.graph.shapes import Graph

__all__ = ["DarknetYolo", "Graph", "GraphNet", "lower_cfg", "read_cfg"]
