"""What a person asks of a trained model before using it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smalldet.class_names import ClassNames
from smalldet.models import import_model, model_path
from smalldet.models.licence import licence_of
from smalldet.models.seen import Seen


@dataclass(frozen=True)
class ModelFacts:
    """A trained model in a few figures.

    Attributes:
        name: of an embedded model, or of the file.
        path: of its weights.
        family: name of its family.
        shapes: what it gives of each object: `boxes`, `oriented boxes`, `masks`.
        class_names: what it finds.
        seen: metres a pixel and sides of objects in training, class by class.
        tile_px: side of the tiles it works on, pixels.
        conf: the score from which on it reports objects unless told.
        num_parameters: numbers that were learned.
        num_bytes: size of the file.
        licence: of the weights, as their card says; `not stated` without a card.
        card: text on data, accuracy and what it misses, or None.
    """

    name: str
    path: Path
    family: str
    shapes: str
    class_names: tuple[str, ...]
    seen: Seen
    tile_px: int
    conf: float
    num_parameters: int
    num_bytes: int
    licence: str
    card: Path | None


def model_facts(
    name_or_path: str | Path,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
) -> ModelFacts:
    """The facts of an embedded model or of a file of weights.

    Raises:
        FileNotFoundError, ValueError: there is no such model, or it cannot be read.
    """
    path = model_path(name_or_path)
    loaded = import_model(name_or_path, class_names=class_names, network=network)
    detector, card = loaded.detector, path.with_suffix(".md")
    kinds = {"oriented boxes": loaded.config.needs_rboxes, "masks": loaded.config.needs_masks}
    return ModelFacts(
        name=str(name_or_path),
        path=path,
        family=str(loaded.config.model_dump().get("family", "")),
        shapes=next((kind for kind, has in kinds.items() if has), "boxes"),
        class_names=tuple(detector.class_names),
        seen=detector.seen,
        tile_px=detector.tile_px,
        conf=detector.conf,
        num_parameters=sum(one.numel() for one in detector.parameters()),
        num_bytes=path.stat().st_size,
        licence=licence_of(path),
        card=card if card.is_file() else None,
    )
