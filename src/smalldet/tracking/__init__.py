"""Tracks of small objects through the frames of a video."""
