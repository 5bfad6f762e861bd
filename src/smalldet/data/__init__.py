"""Labelled pictures: the Index, its formats, and the tiles that a detector is trained on."""
