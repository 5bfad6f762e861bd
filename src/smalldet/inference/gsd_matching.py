"""At which scales a picture shows each class as large as the model has seen it in training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from smalldet.imagery.gsd import Gsd
from smalldet.inference.options import MAX_SCALE
from smalldet.models.seen import Seen, Spread

NEAR = 1.15
"""Times the range of training within which a picture is taken as it is."""
LEAST_PX = 3.0
"""Objects whose side is less in the picture are mostly lost, however much it is magnified."""


@dataclass(frozen=True)
class Look:
    """One scale at which a picture is looked at, for some of the classes.

    Args:
        scale: pixels of the model for one of the picture; 1 where nothing is rescaled.
        classes: (C,) bool, those that are looked for.
    """

    scale: float
    classes: Tensor


@dataclass(frozen=True)
class Matching:
    """How a picture is looked at.

    Args:
        looks: the largest scale first; each class is in one of them.
        told: what was rescaled, in a line for a person; empty where nothing is.
        warnings: what is likely to be missed.
    """

    looks: tuple[Look, ...]
    told: str = ""
    warnings: tuple[str, ...] = ()


def match_gsd(
    seen: Seen,
    class_names: tuple[str, ...],
    gsd: Gsd,
    wanted: Tensor | None = None,
    *,
    rescale: bool = True,
    zoom: float = 1.0,
) -> Matching:
    """The scales for a picture.

    A class is looked for in the picture as it is where the picture's ground sample distance is
    within the range of its objects' in training, or `NEAR` it; where nothing is known of that
    range; and where no scale up to `MAX_SCALE` would do. Otherwise the picture is brought half way,
    in its logarithm, from the near end of the range to the median. Classes that one scale suits
    share one, the smallest: their ranges are met by the fewest scales.

    Args:
        seen: by the model in training.
        class_names: of the model.
        gsd: of the picture.
        wanted: (C,) bool, classes that are asked for; all if None.
        rescale: False looks at the picture as it is, and only warns.
        zoom: the largest scale that a person asked for; the scales found here go on top of it.
    """
    every = torch.ones(len(class_names), dtype=torch.bool) if wanted is None else wanted
    if gsd.metres is None or not seen.gsd_m:
        return Matching((Look(1.0, every),))
    scales = torch.ones(len(class_names), dtype=torch.float64)
    warnings: list[str] = []
    ranges: dict[int, tuple[float, float, float]] = {}
    for label in torch.nonzero(every).flatten().tolist():
        spread = seen.gsd_m[label]
        if spread is None:
            continue
        low, best, high = _scales(spread, gsd.metres)
        if rescale and not low <= 1 <= high and best <= MAX_SCALE:
            ranges[label] = (low, best, high)
    for group in _sharing(ranges):
        least, best, most = zip(*(ranges[label] for label in group), strict=True)
        scales[group] = float(f"{min(max(min(best), *least), *most):.4g}")
    for label in torch.nonzero(every).flatten().tolist():
        used = zoom * float(scales[label])
        warnings += _warnings(seen, label, class_names[label], gsd.metres, used, rescale)
    looks = tuple(
        Look(scale, every & (scales == scale))
        for scale in sorted(set(scales[every].tolist()), reverse=True)
    )
    return Matching(looks, _told(looks, seen, class_names, gsd), tuple(warnings))


def _scales(spread: Spread, metres: float) -> tuple[float, float, float]:
    """Least, best and largest scale at which a picture is like those of training."""
    low, median, high = spread
    aim = math.sqrt(median * (high if metres > median else low))
    return metres / (high * NEAR), metres / aim, metres / low * NEAR


def _sharing(ranges: dict[int, tuple[float, float, float]]) -> list[list[int]]:
    """Classes in groups, each of which one scale suits: the fewest groups."""
    groups: list[list[int]] = []
    end = -math.inf
    for label in sorted(ranges, key=lambda one: ranges[one][2]):
        if ranges[label][0] > end:
            groups.append([])
            end = ranges[label][2]
        groups[-1].append(label)
    return groups


def _warnings(
    seen: Seen, label: int, name: str, metres: float, scale: float, rescale: bool
) -> list[str]:
    """What is to be feared for a class in a picture that is looked at at this scale."""
    spread = seen.gsd_m[label]
    if spread is None:
        return []
    here = f"at {metres:.3g} m a pixel"
    side = seen.side_px[label] if seen.side_px else None
    side_px = math.inf if side is None else side[1] * spread[1] / metres
    if side_px < LEAST_PX:
        return [
            f"{here} a {name} has a side of about {side_px:.1f} px, which is too small to be "
            f"found; it takes {LEAST_PX:g} px"
        ]
    _, best, _ = _scales(spread, metres)
    if rescale and best > MAX_SCALE:
        return [
            f"{metres:.3g} m a pixel is {best:.3g} times the distance at which {name} was "
            f"trained; magnified is at most {MAX_SCALE:g} times, so it is looked for as it is"
        ]
    known_px = seen.resolvable_px[label] if seen.resolvable_px else None
    if known_px is None or side_px * scale >= known_px:
        return []
    shown = "" if scale == 1 else f", looked at {scale:.3g} times its size"
    what_to_do = "a larger scale (--scales)" if rescale else "leave out --no-gsd-match"
    return [
        f"{here} a {name} has a side of about {side_px * scale:.0f} px{shown}; half of them are "
        f"known to be found from {known_px:.0f} px on: pictures from closer, or {what_to_do}"
    ]


def _told(looks: Sequence[Look], seen: Seen, class_names: tuple[str, ...], gsd: Gsd) -> str:
    parts: list[str] = []
    for look in looks:
        labels = torch.nonzero(look.classes).flatten().tolist()
        names = ", ".join(class_names[label] for label in labels)
        if look.scale != 1:
            trained = [spread for label in labels if (spread := seen.gsd_m[label]) is not None]
            low, high = min(low for low, _, _ in trained), max(high for _, _, high in trained)
            span = f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g}"
            parts.append(f"{look.scale:.3g} times its size for {names} (trained at {span} m)")
        elif len(looks) > 1:
            parts.append(f"as it is for {names}")
    said = f"{gsd.metres:.3g} m a pixel {gsd.source}"
    return f"{said}: looked at {' and '.join(parts)}" if parts else ""


def classes_by_scale(looks: Sequence[Look], scales: Sequence[float]) -> dict[float, Tensor]:
    """{scale: (C,) bool of the classes looked for at it}, the largest first."""
    found: dict[float, Tensor] = {}
    for look in looks:
        for scale in scales:
            at = look.scale * scale
            found[at] = found[at] | look.classes if at in found else look.classes
    return dict(sorted(found.items(), reverse=True))
