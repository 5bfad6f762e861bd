"""Speck: smalldet's own detector."""
