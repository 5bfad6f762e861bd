"""Detectors whose queries become objects: D-FINE and RT-DETRv2 on transformers' modules."""
