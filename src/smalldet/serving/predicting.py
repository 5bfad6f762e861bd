"""Predicting for clients: an opened picture and what is asked become a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import shapely
from pydantic import ValidationError

from smalldet.imagery import Scene
from smalldet.inference.area import SceneInside
from smalldet.inference.predictor import Predictor
from smalldet.inference.results import Result
from smalldet.serving.asks import Ask
from smalldet.serving.pictures import open_picture
from smalldet.serving.refusals import Refusal, refused
from smalldet.serving.shared_model import Limits, Seat, SharedModel

Made = TypeVar("Made")


@dataclass(frozen=True)
class Sent:
    """A picture that a client sent or named.

    Args:
        path: where it lies.
        name: what the client calls it.
    """

    path: Path
    name: str


@dataclass(frozen=True)
class PictureLimits:
    """Most pixels of a picture, and of one that has to be decoded whole."""

    max_px: float
    max_decoded_px: float


class Pictures:
    """Opens pictures and predicts them with a shared model.

    Args:
        shared: the model.
    """

    def __init__(self, shared: SharedModel) -> None:
        self.shared = shared
        channels = shared.model.in_channels
        self._bands = None if channels == 3 else range(1, channels + 1)

    def open(self, sent: Sent, ask: Ask, limits: PictureLimits) -> Scene:
        """A picture as a scene; raises Refusal."""
        imagery = checked_options(ask.imagery_options)
        return open_picture(
            sent.path, sent.name, limits.max_px, self._bands, imagery, limits.max_decoded_px
        )

    def check(self, ask: Ask) -> None:
        """Raises Refusal where options do not go with each other or with the model."""
        checked_options(ask.imagery_options)
        options = checked_options(ask.predict_options)
        try:
            Predictor(self.shared.model, options)
        except ValueError as error:
            raise Refusal(422, str(error)) from error

    def predict(
        self,
        scene: Scene,
        sent: Sent,
        ask: Ask,
        limits: Limits,
        *,
        urgent: bool,
        area: str | None = None,
        checkpoint: Path | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Result:
        """Find objects.

        Args:
            scene: the opened picture.
            sent: where it came from.
            ask: what is looked for.
            limits: when to end early.
            urgent: a client waits for it.
            area: polygon in pixels, as well-known text; None for all of it.
            checkpoint: folder to note detections in on the way.
            on_progress: called with tiles done and tiles in all.

        Raises:
            Refusal, StoppedError: it cannot be done, or was ended.
        """
        inside = scene if area is None else _inside(scene, area)
        with Seat(self.shared, limits, urgent=urgent) as seat:
            options = checked_options(ask.predict_options)
            try:
                predictor = Predictor(seat, options)
                gsd_m = predictor.gsd(scene).metres
                found = predictor.predict(inside, on_progress=on_progress, checkpoint=checkpoint)
            except (ValueError, OSError) as error:
                raise refused(error, sent.path, sent.name) from error
            classes = predictor.classes
        return Result.of(scene, str(sent.path), found, classes=classes, gsd_m=gsd_m)


def checked_options(make: Callable[[], Made]) -> Made:
    """Options, or a refusal that says what is wrong with them."""
    try:
        return make()
    except ValidationError as error:
        mistakes = [
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}".lstrip(": ")
            for e in error.errors(include_url=False)
        ]
        raise Refusal(422, "; ".join(mistakes)) from error


def _inside(scene: Scene, area: str) -> SceneInside:
    seen = shapely.intersection(
        shapely.from_wkt(area), shapely.box(0, 0, scene.width, scene.height)
    )
    if not shapely.area(seen):
        raise Refusal(422, f"{scene.name}: shows nothing of the area")
    return SceneInside(scene, seen)
