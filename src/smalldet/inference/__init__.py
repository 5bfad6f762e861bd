"""Inference: a tile model over scenes of any size, and its detections on a map.

Import from the files: `predictor`, `predict`, `options`, `results`, `writers`. This one imports
nothing, so that options can be had without torch.
"""
