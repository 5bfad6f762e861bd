"""Boxes, overlap measures, suppression, tiles and the merge: tensors in, tensors out."""
