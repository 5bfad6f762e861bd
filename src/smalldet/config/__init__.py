"""Configuration without torch."""
