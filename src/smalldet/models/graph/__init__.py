"""Networks described by data: layer lists, the net that runs them, Darknet's and our own texts."""

from smalldet.models.graph.darknet import lower_cfg, read_cfg
from smalldet.models.graph.description import lower_text
from smalldet.models.graph.detector import YoloDetector
from smalldet.models.graph.known import KNOWN, known_text
from smalldet.models.graph.net import GraphNet
from smalldet.models.graph.shapes import Graph

__all__ = [
    "KNOWN",
    "Graph",
    "GraphNet",
    "YoloDetector",
    "known_text",
    "lower_cfg",
    "lower_text",
    "read_cfg",
]
