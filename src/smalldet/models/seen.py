"""How large objects were in training, and how small they are found."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, field_validator

from smalldet.config.base import Frozen

Spread = tuple[float, float, float]
"""A tenth, half and nine tenths of the objects have less."""


class Seen(Frozen):
    """What the objects of each class were like in training, before tiles were magnified at random.

    And what was measured on other pictures: how small they are found. Each is empty where nothing
    is known, else has an entry for every class.
    """

    gsd_m: tuple[Spread | None, ...] = Field(
        default=(), description="metres a pixel of the pictures with them, class by class"
    )
    side_px: tuple[Spread | None, ...] = Field(
        default=(), description="square root of the area of their boxes, pixels"
    )
    resolvable_px: tuple[float | None, ...] = Field(
        default=(),
        description="side from which on half of the objects are found in labelled pictures, pixels "
        "of the network, class by class; of classes whose smallest were found, that of those",
    )

    @field_validator("gsd_m", "side_px")
    @classmethod
    def _rising(cls, spreads: tuple[Spread | None, ...]) -> tuple[Spread | None, ...]:
        for spread in spreads:
            if spread is not None and not 0 < spread[0] <= spread[1] <= spread[2]:
                raise ValueError(f"must be over 0 and rise, not {list(spread)}")
        return spreads

    @field_validator("resolvable_px")
    @classmethod
    def _over_zero(cls, sides: tuple[float | None, ...]) -> tuple[float | None, ...]:
        if any(side is not None and side <= 0 for side in sides):
            raise ValueError(f"must be over 0, not {list(sides)}")
        return sides

    def check_fits(self, class_names: Sequence[str], where: str) -> None:
        """Raises ValueError: there are facts, and not of as many classes as the model has."""
        facts = {"gsd_m": self.gsd_m, "side_px": self.side_px, "resolvable_px": self.resolvable_px}
        for key, of_classes in facts.items():
            if len(of_classes) not in (0, len(class_names)):
                raise ValueError(
                    f"{where}: {key} of what it saw is of {len(of_classes)} classes, and the model "
                    f"has {len(class_names)}; the file is damaged"
                )


NOTHING_KNOWN = Seen()
