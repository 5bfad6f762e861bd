"""Evaluation: honest numbers about a model, by size of object.

Import from the files: `evaluate`, `scoring`, `options`, `report`, `classes`. This one imports
nothing, so that options can be had without torch.
"""
