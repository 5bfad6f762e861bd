"""Names that only GDAL can open."""

from __future__ import annotations

import re
from pathlib import Path

# As in netcdf:file.nc:variable and STACIT:list.json; one letter is a drive.
GDAL_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_]+:")


def is_remote(source: str) -> bool:
    """True for what is no path of a file: URLs, /vsi paths, and GDAL's names with a prefix."""
    if source.startswith("/vsi") or "://" in source:
        return True
    return GDAL_PREFIX.match(source) is not None and not Path(source).exists()
