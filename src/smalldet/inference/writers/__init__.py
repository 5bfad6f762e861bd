"""Writers: results as files of many formats."""

from smalldet.inference.writers.output import check_output, write
from smalldet.inference.writers.table import WRITERS, Writer

__all__ = ["WRITERS", "Writer", "check_output", "write"]
