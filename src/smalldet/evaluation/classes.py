"""Classes of a model and of a data set, brought together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.class_names import class_key
from smalldet.columns import take
from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections


@dataclass(frozen=True, eq=False)
class ClassMatch:
    """What a model and a data set have in common.

    Args:
        truth: the pictures with the common classes; objects of other classes are left out.
        table: (num model classes,) int64, position among the common classes, or -1.
        groups: the classes of the data in each common class.
        left_out_of_model: classes that only the model has.
        left_out_of_data: classes that only the data has.
    """

    truth: Index
    table: NDArray[np.int64]
    groups: tuple[tuple[int, ...], ...]
    left_out_of_model: tuple[str, ...]
    left_out_of_data: tuple[str, ...]

    @property
    def data_labels(self) -> NDArray[np.int64]:
        """(num common classes,) int64, the first class of the data in each."""
        return np.array([group[0] for group in self.groups], dtype=np.int64)

    def relabel(self, detections: Detections) -> Detections:
        """Detections of the model with labels among the common classes; the others are dropped."""
        table = torch.from_numpy(self.table).to(detections.labels.device)
        labels = table[detections.labels]
        kept = labels >= 0
        return replace(detections[kept], labels=labels[kept], class_names=self.truth.class_names)


def match_classes(
    truth: Index, class_names: Sequence[str], mapping: Mapping[str, str] | None = None
) -> ClassMatch:
    """Bring the classes of a model and of labelled pictures together.

    Classes meet by name whatever the case and punctuation, or by `mapping`, which goes before
    names. Several model classes may lead to one data class, and several data classes to one model
    class: the common class is then called `car+van`.

    Args:
        truth: labelled pictures.
        class_names: classes of the model.
        mapping: {model class: data class}; an entry that makes sense only the other way round is
            read as {data class: model class}.

    Raises:
        ValueError: no class in common, or the mapping names a class that neither side has.
    """
    links = _links(truth.class_names, class_names, mapping or {})
    roots = _joined(links)
    data_roots = [roots.get(("data", class_key(name))) for name in truth.class_names]
    model_roots = [roots.get(("model", class_key(name))) for name in class_names]
    order = list(dict.fromkeys(root for root in data_roots if root is not None))
    if not order:
        raise ValueError(
            f"model and data have no class in common: the model has {list(class_names)}, the data "
            f"has {list(truth.class_names)}; say which belong together with a map such as "
            f"{next(iter(class_names), 'car')}={next(iter(truth.class_names), 'Vehicle')}"
        )
    position = {root: i for i, root in enumerate(order)}
    table = _table(data_roots, position)
    names = [
        "+".join(n for n, r in zip(truth.class_names, data_roots, strict=True) if r == root)
        for root in order
    ]
    return ClassMatch(
        truth=Index(tuple(names), tuple(_restricted(r, table) for r in truth.records)),
        table=_table(model_roots, position),
        groups=tuple(tuple(i for i, r in enumerate(data_roots) if r == root) for root in order),
        left_out_of_model=_names_without(class_names, model_roots),
        left_out_of_data=_names_without(truth.class_names, data_roots),
    )


_Node = tuple[str, str]  # side ("data" or "model") and class key


def _links(
    data_names: Sequence[str], model_names: Sequence[str], mapping: Mapping[str, str]
) -> list[tuple[_Node, _Node]]:
    """Pairs of data class and model class that mean the same."""
    data, model = ({class_key(n) for n in names} for names in (data_names, model_names))
    links: list[tuple[_Node, _Node]] = []
    spoken_for: set[_Node] = set()
    for left, right in mapping.items():
        one, other = class_key(left), class_key(right)
        if one in model and other in data:
            links.append((("data", other), ("model", one)))
            spoken_for.add(("model", one))
        elif one in data and other in model:
            links.append((("data", one), ("model", other)))
            spoken_for.add(("data", one))
        else:
            raise ValueError(
                f"map {left}={right} must join a class of the model, {list(model_names)}, "
                f"and one of the data, {list(data_names)}"
            )
    for name in map(class_key, data_names):
        pair = ("data", name), ("model", name)
        if name in model and spoken_for.isdisjoint(pair):
            links.append(pair)
    return links


def _joined(links: Sequence[tuple[_Node, _Node]]) -> dict[_Node, _Node]:
    """For every class in a link, one class that stands for all it is linked to."""
    roots = {node: node for link in links for node in link}
    for one, other in links:
        keep, drop = roots[one], roots[other]
        for node, root in roots.items():
            if root == drop:
                roots[node] = keep
    return roots


def _table(roots: Sequence[_Node | None], position: Mapping[_Node, int]) -> NDArray[np.int64]:
    return np.array([-1 if r is None else position[r] for r in roots], dtype=np.int64)


def _names_without(names: Sequence[str], roots: Sequence[_Node | None]) -> tuple[str, ...]:
    return tuple(name for name, root in zip(names, roots, strict=True) if root is None)


def _restricted(record: ImageRecord, table: NDArray[np.int64]) -> ImageRecord:
    labels = table[record.labels]
    kept = labels >= 0
    return replace(
        take(record, kept),
        labels=labels[kept],
        unknown=frozenset(int(table[c]) for c in record.unknown if table[c] >= 0),
    )
