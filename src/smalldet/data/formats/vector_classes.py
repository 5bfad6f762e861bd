"""Classes and flags of vector labels, from the attributes of their features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.class_names import class_key, positions_of
from smalldet.data.formats.vector_layers import Layer, described

# What people call the attribute of the class, the surest names first; letters and digits count.
CLASS_FIELDS = (
    ("class", "classname", "label", "labelname", "category", "categoryname"),
    ("type", "kind", "species", "name"),
)
FLAG_FIELDS = ("ignore", "difficult")
# Attributes that name the picture that a label was drawn on.
PICTURE_FIELDS = ("picture", "imagepath", "filename", "image", "source")
MAX_GUESSED_CLASSES = 100


@dataclass(frozen=True)
class Fields:
    """The attributes that are read.

    Args:
        class_name: of the class; None where all objects are of one, or there are none.
        flags: of `ignore` and `difficult`, those that there are.
        picture: of the picture's name, or None.
        guessed: the class's was the only attribute of text, whatever it is called.
    """

    class_name: str | None
    flags: dict[str, str]
    picture: str | None
    guessed: bool = False


def chosen_fields(
    layer: Layer, class_field: str | None, class_names: Sequence[str] | None
) -> Fields:
    """Which attributes tell what.

    Args:
        layer: with all its attributes.
        class_field: as the person names it, or None to guess.
        class_names: as the person gives them; a single one needs no attribute.

    Raises:
        ValueError: `class_field` does not exist, or no one attribute is obvious; lists them all.
    """
    path, kinds = layer.path, layer.attributes
    by_key = {class_key(name): name for name in kinds}
    flags = {flag: by_key[flag] for flag in FLAG_FIELDS if flag in by_key}
    picture = next((by_key[key] for key in PICTURE_FIELDS if key in by_key), None)
    listed = f"attributes {', '.join(kinds)}" if kinds else "no attributes"
    if class_field is not None:
        if class_field not in kinds and class_key(class_field) not in by_key:
            raise ValueError(f"{path}: has {listed}; class_field {class_field!r} is none of them")
        name = class_field if class_field in kinds else by_key[class_key(class_field)]
        return Fields(name, flags, picture)
    if not len(layer.shapes):
        return Fields(None, {}, None)
    for surest in CLASS_FIELDS:
        found = [name for name in kinds if class_key(name) in surest]
        if len(found) == 1:
            return Fields(found[0], flags, picture)
        if found:
            break
    if class_names is not None and len(class_names) == 1:
        return Fields(None, flags, picture)
    texts = [name for name in kinds if kinds[name].dtype.kind == "O" and name != picture]
    if len(texts) == 1:
        return Fields(texts[0], flags, picture, guessed=True)
    raise ValueError(
        f"{path}: has {listed}; say which tells the class with class_field, or give class_names "
        "with one name if all are of one class"
    )


def classes(
    layer: Layer, fields: Fields, class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of the classes, and the place among them of each shape's, (N,).

    Raises:
        ValueError: a feature has no class, or one that `class_names` lacks; names both.
    """
    if fields.class_name is None:
        return tuple(class_names or ()), np.zeros(len(layer.shapes), dtype=np.int64)
    texts = _texts(layer, fields.class_name)
    found, labels = np.unique(texts, return_inverse=True)
    names = [str(name) for name in found.tolist()]
    if fields.guessed and len(names) > MAX_GUESSED_CLASSES:
        raise ValueError(
            f"{layer.path}: its one attribute of text, {fields.class_name}, has {len(names)} "
            "values; say with class_field that it is the class, or give class_names with one name"
        )
    if class_names is None:
        return tuple(names), labels.astype(np.int64)
    places = np.array(positions_of(names, class_names), dtype=np.int64)
    foreign = [name for name, place in zip(names, places.tolist(), strict=True) if place < 0]
    if foreign:
        raise ValueError(
            f"{layer.path}: {fields.class_name} has classes {foreign}; class_names are "
            f"{list(class_names)}"
        )
    return tuple(class_names), places[labels]


def flag(layer: Layer, fields: Fields, name: str) -> NDArray[np.bool_]:
    """(N,) bool of an attribute that is 0 or 1; all False where there is none.

    Raises:
        ValueError: it has other values; names the features.
    """
    if name not in fields.flags:
        return np.zeros(len(layer.shapes), dtype=np.bool_)
    values = layer.attributes[fields.flags[name]]
    if values.dtype.kind == "O":
        known = {None: 0, "": 0, "0": 0, "1": 1, "false": 0, "true": 1, False: 0, True: 1}
        numbers = np.array([known.get(_folded(value), -1) for value in values.tolist()], dtype=int)
    elif values.dtype.kind in "iub":
        numbers = values.astype(int)
    elif values.dtype.kind == "f":  # whole numbers with gaps come as these
        numbers = np.where(
            np.isnan(values), 0, np.where(values == 0, 0, np.where(values == 1, 1, -1))
        )
    else:
        numbers = np.full(len(values), -1)
    wrong = (numbers != 0) & (numbers != 1)
    if wrong.any():
        raise ValueError(
            f"{layer.path}: {described(layer.feature[wrong])} an attribute {fields.flags[name]} "
            "that is neither 0 nor 1"
        )
    return numbers == 1


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip().casefold()
    return value if value is None or isinstance(value, int | float) else "a list"


def _texts(layer: Layer, name: str) -> NDArray[np.str_]:
    """Values of an attribute as text; whole numbers without a point."""
    values = layer.attributes[name]
    if values.dtype.kind == "f" and (np.isnan(values) | (values == values.round())).all():
        texts = ["" if np.isnan(v) else str(int(v)) for v in values.tolist()]
    elif values.dtype.kind in "Oiub":
        texts = ["" if v is None else str(v).strip() for v in values.tolist()]
    else:
        raise ValueError(
            f"{layer.path}: attribute {name} holds {values.dtype} values, which name no classes"
        )
    found = np.array(texts, dtype=np.str_).reshape(len(values))
    if (found == "").any():
        raise ValueError(
            f"{layer.path}: {described(layer.feature[found == ''])} no class in {name}; fill it in "
            "or delete them"
        )
    return found
