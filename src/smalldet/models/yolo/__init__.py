"""Networks described by data: layer lists, the net that runs them, Darknet's and our own texts."""

from smalldet.models.yolo.darknet import parse_cfg, read_cfg
from smalldet.models.yolo.description import parse_network
from smalldet.models.yolo.detector import YoloDetector
from smalldet.models.yolo.known import KNOWN, known_text
from smalldet.models.yolo.net import GraphNet
from smalldet.models.yolo.shapes import Graph

__all__ = [
    "KNOWN",
    "Graph",
    "GraphNet",
    "YoloDetector",
    "known_text",
    "parse_cfg",
    "parse_network",
    "read_cfg",
]
