"""Assigners: which location or anchor learns which object."""
