"""The reference of a configuration, read from its schema: all that is known of every key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, MultipleOf
from pydantic.fields import FieldInfo

from smalldet.config.base import Frozen

# What the end of a key says of its unit.
UNITS = {
    "_px": "px",
    "_frac": "share",
    "_prob": "share",
    "_iou": "IoU",
    "_mb": "MiB",
    "_every_s": "s",
    "minutes": "min",
}
NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
}


@dataclass(frozen=True)
class Key:
    """A key of a configuration.

    Args:
        path: as it is typed, `training.epochs`; `[]` stands for each entry of a list.
        description: what it means; empty where the schema does not say.
        values: what may stand there, in words: a type or the choices.
        bounds: of a number or of a list's length; empty if there are none.
        unit: empty if it has none.
        default: as in YAML; None where the key must be given.
        other_names: older names that are read too.
    """

    path: str
    description: str
    values: str
    bounds: str
    unit: str
    default: str | None
    other_names: tuple[str, ...] = ()


def keys_of(schema: type[Frozen], prefix: str = "") -> list[Key]:
    """Every key of a schema and of the schemas in it, in their order.

    Args:
        schema: what to describe.
        prefix: path of the schema itself, with a dot at its end.
    """
    return list(_keys(schema, prefix))


def _keys(schema: type[Frozen], prefix: str) -> Iterator[Key]:
    for name, field in schema.model_fields.items():
        inner, is_list = _schema_in(field.annotation)
        path = f"{prefix}{name}{'[]' if is_list else ''}"
        yield _key(path, name, field, _older_names(schema, name))
        if inner is not None:
            yield from _keys(inner, path + ".")


def table(keys: list[Key]) -> str:
    """The keys as a Markdown table."""
    rows = ["| key | meaning | values | unit | default |", "|---|---|---|---|---|"]
    for key in keys:
        others = "".join(f" Also read as `{name}`." for name in key.other_names)
        values = ", ".join(part for part in (key.values, key.bounds) if part)
        default = "must be given" if key.default is None else f"`{key.default}`"
        meaning = (key.description or "") + others
        cells = (f"`{key.path}`", meaning, values, key.unit, default)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _key(path: str, name: str, field: FieldInfo, other_names: tuple[str, ...]) -> Key:
    return Key(
        path=path,
        description=(field.description or "").strip(),
        values=_in_words(field.annotation),
        bounds=_bounds(field),
        unit=next((unit for ending, unit in UNITS.items() if name.endswith(ending)), ""),
        default=None
        if field.is_required()
        else _as_yaml(field.get_default(call_default_factory=True)),
        other_names=other_names,
    )


def _schema_in(annotation: Any) -> tuple[type[Frozen] | None, bool]:
    """The schema that a field holds, and whether it holds a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, Frozen):
        return annotation, False
    is_list = get_origin(annotation) in (tuple, list)
    for part in get_args(annotation):
        inner, nested = _schema_in(part)
        if inner is not None:
            return inner, is_list or nested
    return None, False


def _in_words(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _in_words(parts[0])
    if origin is Literal:
        return ", ".join(f"`{_as_yaml(choice)}`" for choice in parts)
    if origin in (Union, UnionType):
        kinds = [part for part in parts if part is not NoneType]
        choices = all(get_origin(part) is Literal for part in kinds)
        return (", " if choices else " or ").join(map(_in_words, kinds))
    if origin is tuple and parts[-1] is not Ellipsis:
        return f"list of {len(parts)}: " + ", ".join(_in_words(part) for part in parts)
    if origin in (tuple, list):
        return f"list of {_in_words(parts[0])}"
    if origin is dict:
        return f"mapping of {_in_words(parts[0])} to {_in_words(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Frozen):
        return "keys below"
    return NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _bounds(field: FieldInfo) -> str:
    words: list[str] = []
    for limit in field.metadata:
        match limit:
            case Ge(ge=low):
                words.append(f"≥ {low}")
            case Gt(gt=low):
                words.append(f"> {low}")
            case Le(le=high):
                words.append(f"≤ {high}")
            case Lt(lt=high):
                words.append(f"< {high}")
            case MultipleOf(multiple_of=step):
                words.append(f"a multiple of {step}")
            case MinLen(min_length=least):
                words.append(f"at least {least}")
            case MaxLen(max_length=most):
                words.append(f"at most {most}")
            case _:
                pass
    return ", ".join(words)


def _as_yaml(value: Any) -> str:
    """A default as one would type it: `[0.5, 2.0]`, `true`, `null` for what is not set."""
    if isinstance(value, Frozen):
        return "as below"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_as_yaml(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_as_yaml(k)}: {_as_yaml(v)}" for k, v in value.items()) + "}"
    return str(value)


def _older_names(schema: type[Frozen], name: str) -> tuple[str, ...]:
    return tuple(old for old, today in schema.old_keys.items() if today == name)
