"""Writers: results to GeoJSON, GeoPackage, COCO, CSV and pictures."""

from smalldet.inference.writers.output import WRITERS, Writer, check_output, write

__all__ = ["WRITERS", "Writer", "check_output", "write"]
