"""YAML files of data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from smalldet.config.yaml_text import parse_yaml
from smalldet.data.formats.text_files import utf8_text

MAX_BYTES = 4 << 20


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping of a file. All its scalars stay text: a class `no` is no boolean.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is too large or no mapping, or as of `parse_yaml`.
    """
    content = parse_yaml(utf8_text(path, MAX_BYTES), str(path), yaml.BaseLoader)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must hold a mapping of keys to values")
    return {key: value for key, value in content.items() if isinstance(key, str)}
