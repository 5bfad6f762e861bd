"""How large objects were in training: what a picture of another resolution is held against."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, field_validator

from smalldet.config.base import Frozen

Spread = tuple[float, float, float]
"""A tenth, half and nine tenths of the objects have less."""


class Seen(Frozen):
    """What the objects of each class were like in training, before tiles were magnified at random.

    Each is empty where nothing is known, else has an entry for every class.
    """

    gsd_m: tuple[Spread | None, ...] = Field(
        default=(), description="metres a pixel of the pictures with them, class by class"
    )
    side_px: tuple[Spread | None, ...] = Field(
        default=(), description="square root of the area of their boxes, pixels"
    )

    @field_validator("gsd_m", "side_px")
    @classmethod
    def _rising(cls, spreads: tuple[Spread | None, ...]) -> tuple[Spread | None, ...]:
        for spread in spreads:
            if spread is not None and not 0 < spread[0] <= spread[1] <= spread[2]:
                raise ValueError(f"must be over 0 and rise, not {list(spread)}")
        return spreads

    def check_fits(self, class_names: Sequence[str], where: str) -> None:
        """Raises ValueError: there are facts, and not of as many classes as the model has."""
        for key, spreads in (("gsd_m", self.gsd_m), ("side_px", self.side_px)):
            if len(spreads) not in (0, len(class_names)):
                raise ValueError(
                    f"{where}: {key} of what it saw is of {len(spreads)} classes, and the model "
                    f"has {len(class_names)}; the file is damaged"
                )


NOTHING_KNOWN = Seen()
