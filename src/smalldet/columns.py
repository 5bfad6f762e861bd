"""Columns: fields of a dataclass that hold one row for each thing, taken and joined together.

A field says once that it is a column: `boxes: Tensor = field(metadata=column())`. Whatever selects
rows, joins parts or moves tensors goes through the functions here, so that a new column needs a
line in its dataclass and none elsewhere. Columns are torch tensors or numpy arrays; an optional one
may be None.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")
Other = TypeVar("Other", bound="DataclassInstance")
Array = Tensor | NDArray[Any]

_KEY = "column"


@dataclass(frozen=True)
class Column:
    """What a field says of itself.

    Args:
        group: name of its rows; columns of one group have the same rows.
        filler: value of all rows of a part that lacks this optional column while others have it;
            None where such parts cannot be joined.
    """

    group: str = "rows"
    filler: int | float | None = None


def column(group: str = "rows", filler: int | float | None = None) -> dict[str, Column]:
    """Metadata that makes a dataclass field a column; see `Column`."""
    return {_KEY: Column(group, filler)}


@cache
def columns_of(kind: type[DataclassInstance]) -> dict[str, Column]:
    """The columns of a dataclass by name, in the order of its fields."""
    return {f.name: f.metadata[_KEY] for f in fields(kind) if _KEY in f.metadata}


def columns_in(record: DataclassInstance, group: str | None = None) -> dict[str, Array]:
    """The columns that a record has, by name, optional ones that are None left out.

    Args:
        record: instance of a dataclass with columns.
        group: the rows to give the columns of; all if None.
    """
    values = {
        name: getattr(record, name)
        for name, spec in columns_of(type(record)).items()
        if group is None or spec.group == group
    }
    return {name: value for name, value in values.items() if value is not None}


def take(record: Record, rows: Tensor | NDArray[Any] | slice, group: str | None = None) -> Record:
    """Some rows of all columns; other fields stay.

    Args:
        record: instance of a dataclass with columns.
        rows: mask, row numbers or slice, of the library that the columns are of.
        group: whose rows they are, where the dataclass has several groups.

    Raises:
        ValueError: no such group, or several and none named.
    """
    groups = {spec.group for spec in columns_of(type(record)).values()}
    if group is None and len(groups) == 1:
        group = next(iter(groups))
    if group not in groups:
        raise ValueError(
            f"{type(record).__name__} has rows of {sorted(groups)}; say which to take, not {group}"
        )
    taken = {name: values[rows] for name, values in columns_in(record, group).items()}
    return replace(record, **taken)


def map_columns(record: Record, change: Callable[[Any], Array]) -> Record:
    """The record with a function applied to each column that it has."""
    changed = {name: change(values) for name, values in columns_in(record).items()}
    return replace(record, **changed)


def cat(parts: Sequence[Record]) -> Record:
    """All rows of several records of one kind, in their order; other fields are the first one's.

    A part without rows may lack an optional column that others have.

    Raises:
        ValueError: no parts; or some have a column, and others have rows without it and it declares
            no filler: names the column.
    """
    if not parts:
        raise ValueError("no parts to join")
    kind = type(parts[0])
    joined = {
        name: _joined(kind.__name__, name, spec, parts) for name, spec in columns_of(kind).items()
    }
    return replace(parts[0], **joined)


def convert(
    record: DataclassInstance,
    kind: type[Other],
    *,
    dropping: Collection[str] = (),
    **values: object,
) -> Other:
    """The same rows as another dataclass: fields of equal names are carried over.

    Args:
        record: what to carry over.
        kind: what to make.
        dropping: columns to leave behind.
        values: fields of the result that are not the record's own.

    Raises:
        ValueError: the record has a column that `kind` has no field for and that is not dropped.
    """
    names = {field.name for field in fields(kind)}
    lost = [name for name in columns_in(record) if name not in names and name not in dropping]
    if lost:
        raise ValueError(f"{kind.__name__} has no column {', '.join(lost)}, and it is not dropped")
    carried = {f.name: getattr(record, f.name) for f in fields(record) if f.name in names}
    return kind(**(carried | values))


def _joined(kind: str, name: str, spec: Column, parts: Sequence[DataclassInstance]) -> Array | None:
    columns: list[Array | None] = [getattr(part, name) for part in parts]
    having = [values for values in columns if values is not None]
    if not having:
        return None
    joined: list[Array] = []
    for part, values in zip(parts, columns, strict=True):
        if values is not None:
            joined.append(values)
        elif num_rows := _num_rows(part, spec.group):
            if spec.filler is None:
                raise ValueError(f"{kind}: some parts to join have {name} and some have not")
            joined.append(_filled(having[0], num_rows, spec.filler))
    if isinstance(joined[0], Tensor):
        return torch.cat(joined)  # pyright: ignore[reportArgumentType]
    return np.concatenate(joined)


def _num_rows(record: DataclassInstance, group: str) -> int:
    return max((len(values) for values in columns_in(record, group).values()), default=0)


def _filled(like: Array, num_rows: int, filler: int | float) -> Array:
    if isinstance(like, Tensor):
        return like.new_full((num_rows, *like.shape[1:]), filler)
    return np.full((num_rows, *like.shape[1:]), filler, dtype=like.dtype)
