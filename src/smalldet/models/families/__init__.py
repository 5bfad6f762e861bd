"""The families of detectors and their schemas, in one table."""

from __future__ import annotations

from smalldet.models.families.speck import SpeckConfig

FAMILIES = {"speck": SpeckConfig}

ModelConfig = SpeckConfig
