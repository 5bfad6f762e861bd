"""The demo: a drawn scene of known truth, or one's own picture, to detections on a map."""

from smalldet.demo.run import DemoRun, run_demo
from smalldet.demo.scene import draw_scene

__all__ = ["DemoRun", "draw_scene", "run_demo"]
