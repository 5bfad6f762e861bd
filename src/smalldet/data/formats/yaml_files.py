"""YAML that strangers wrote: bounded in size and depth, and nothing in it refers to itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from smalldet.data.formats.text_files import utf8_text

MAX_BYTES = 4 << 20
MAX_DEPTH = 16
STARTS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping of a file. All its scalars stay text: a class `no` is no boolean.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no YAML, no mapping, too large, nested too deep, or uses aliases.
    """
    text = utf8_text(path, MAX_BYTES)
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.BaseLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError(f"{path}: refers to itself by *{event.anchor}; write it out")
            depth += isinstance(event, STARTS) - isinstance(event, ENDS)
            if depth > MAX_DEPTH:
                raise ValueError(f"{path}: is nested deeper than {MAX_DEPTH} levels")
        content: object = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: is not YAML: {error}") from error
    except RecursionError:
        raise ValueError(f"{path}: is nested deeper than {MAX_DEPTH} levels") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must hold a mapping of keys to values")
    return {key: value for key, value in content.items() if isinstance(key, str)}
