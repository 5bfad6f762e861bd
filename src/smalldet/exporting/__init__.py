"""Models written for other runtimes, and held to what torch gives."""

from smalldet.exporting.export import Exported, export_model
from smalldet.exporting.options import ExportKeywords, ExportOptions

__all__ = ["ExportKeywords", "ExportOptions", "Exported", "export_model"]
