"""Writers: results to GeoJSON, GeoPackage, COCO, CSV and pictures."""

from smalldet.inference.writers.output import WRITERS, check_output, write

__all__ = ["WRITERS", "check_output", "write"]
