"""YAML that strangers wrote: bounded in depth, and nothing in it refers to itself."""

from __future__ import annotations

import yaml

MAX_DEPTH = 32
STARTS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


Loader = type[yaml.SafeLoader] | type[yaml.BaseLoader]


def parse_yaml(text: str, where: str, loader: Loader = yaml.SafeLoader) -> object:
    """What a text in YAML says.

    Args:
        text: the text.
        where: what messages begin with: the file, or the words of a command line.
        loader: yaml.BaseLoader leaves every value a text.

    Raises:
        ValueError: in one line: it is no YAML, is nested too deep, or uses aliases, by which a few
            lines could hold themselves or grow without end.
    """
    try:
        _check_events(text, where)
        return _constructed(text, where, loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" in line {mark.line + 1}" if mark else ""
        fault = error.problem or error.context or "not to be read"
        raise ValueError(f"{where}: not readable as YAML{line}: {fault}") from error
    except yaml.YAMLError as error:
        raise ValueError(
            f"{where}: not readable as YAML: {' '.join(str(error).split())}"
        ) from error


def _constructed(text: str, where: str, loader: Loader) -> object:
    try:
        return yaml.load(text, Loader=loader)
    except ValueError as error:  # a date or a number that Python has none of
        raise ValueError(f"{where}: not readable as YAML: {error}") from error


def _check_events(text: str, where: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"{where}: refers to another place by *{event.anchor}; write it out")
        depth += isinstance(event, STARTS) - isinstance(event, ENDS)
        if depth > MAX_DEPTH:
            raise ValueError(f"{where}: is nested deeper than {MAX_DEPTH} levels")
