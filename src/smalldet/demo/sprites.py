"""Small things seen from above: airplanes, cars, buses and trees, drawn large and brought down."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]

OVERSAMPLING = 4
SUN_SHIFT = (-0.62, -0.78)  # where a shadow falls, for a height of one pixel

PLANE_PAINTS: tuple[tuple[Colour, Colour], ...] = (
    ((236, 238, 240), (196, 200, 206)),
    ((240, 240, 236), (40, 62, 130)),
    ((232, 234, 238), (170, 34, 40)),
    ((238, 238, 238), (36, 110, 84)),
    ((222, 226, 230), (214, 140, 40)),
    ((206, 210, 216), (120, 128, 140)),
    ((226, 220, 204), (120, 84, 54)),
)
CAR_PAINTS: tuple[Colour, ...] = (
    *((228, 230, 232),) * 4,
    *((168, 172, 176),) * 4,
    *((96, 100, 106),) * 3,
    *((40, 42, 46),) * 4,
    *((38, 58, 112),) * 2,
    *((150, 28, 30),) * 2,
    (92, 132, 168),
    (206, 178, 60),
    (46, 84, 60),
    (120, 96, 72),
)
BUS_PAINTS: tuple[Colour, ...] = ((232, 232, 228), (220, 180, 52), (176, 36, 36), (150, 204, 170))
GLASS: Colour = (34, 40, 48)


def shaded(colour: Colour, factor: float) -> Colour:
    """A colour made lighter or darker."""
    red, green, blue = (min(255, max(0, round(value * factor))) for value in colour)
    return red, green, blue


class Sheet:
    """A transparent square to draw on in units of an object's length, nose to the right."""

    def __init__(self, length_px: float, ground: Colour) -> None:
        self.unit = length_px * OVERSAMPLING
        side = OVERSAMPLING * (2 * math.ceil(length_px * 0.58) + 6)
        self.centre = side / 2
        self.image = Image.new("RGBA", (side, side), (*ground, 0))
        self.draw = ImageDraw.Draw(self.image)

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        spots = [(self.centre + x * self.unit, self.centre + y * self.unit) for x, y in points]
        self.draw.polygon(spots, fill=(*colour, 255))

    def pair(self, points: list[tuple[float, float]], colour: Colour, far: float = 0.93) -> None:
        """A shape and its mirror image; the one away from the sun is darker."""
        self.polygon([(x, -y) for x, y in points], shaded(colour, far))
        self.polygon(points, colour)

    def box(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        self.polygon([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], colour)


def airplane(rng: np.random.Generator, length_px: float) -> Image.Image:
    """A parked airplane: a swept-wing jet, or now and then one with straight wings."""
    body, livery = PLANE_PAINTS[int(rng.integers(len(PLANE_PAINTS)))]
    sheet = Sheet(length_px, body)
    kind = rng.choice(["airliner", "business jet", "propeller"], p=[0.62, 0.26, 0.12])
    wing, stripe = shaded(body, rng.uniform(0.84, 0.94)), shaded(livery, 0.95)
    reach = rng.uniform(0.44, 0.5)
    if kind == "propeller":
        sheet.pair([(0.2, 0), (0.19, reach), (0.06, reach), (0.03, 0)], wing)
        sheet.pair([(-0.36, 0), (-0.37, 0.17), (-0.46, 0.17), (-0.47, 0)], wing)
        sheet.box(0.46, -0.12, 0.475, 0.12, (70, 70, 74))
    else:
        sweep = rng.uniform(0.24, 0.3)
        back = 0.06 if kind == "business jet" else 0.0
        tip = 0.13 - back - sweep
        front = [(0.13 - back, 0.03), (tip, reach)]
        rear = [(tip - 0.065, reach), (-0.1 - back, 0.1), (-0.13 - back, 0.03)]
        sheet.pair(front + rear, wing)
        sheet.pair([(-0.35, 0), (-0.43, 0.18), (-0.485, 0.18), (-0.46, 0)], wing)
        x, y = (-0.3, 0.085) if kind == "business jet" else (0.02, 0.165)
        sheet.pair(
            [(x, y - 0.028), (x + 0.11, y - 0.024), (x + 0.11, y + 0.024), (x, y + 0.028)],
            shaded(body, 0.78),
        )
    half = rng.uniform(0.046, 0.056)
    outline = [(0.5, 0.012), (0.475, 0.6 * half), (0.4, half), (-0.22, half), (-0.42, 0.4 * half)]
    sheet.pair([*outline, (-0.5, 0.008), (-0.5, 0), (0.5, 0)], body, far=0.82)
    sheet.box(-0.2, -0.35 * half, 0.4, 0.45 * half, shaded(body, 1.06))
    sheet.polygon(
        [(0.45, -0.5 * half), (0.45, 0.5 * half), (0.42, 0.7 * half), (0.42, -0.7 * half)], GLASS
    )
    sheet.polygon(
        [(-0.3, 0), (-0.42, 0.016), (-0.52, 0.016), (-0.52, -0.016), (-0.42, -0.016)], stripe
    )
    return sheet.image


def car(rng: np.random.Generator, length_px: float) -> Image.Image:
    """A car: body, bonnet, dark screens, a lighter roof."""
    paint = shaded(CAR_PAINTS[int(rng.integers(len(CAR_PAINTS)))], rng.uniform(0.92, 1.06))
    sheet = Sheet(length_px, paint)
    half, cabin = rng.uniform(0.2, 0.225), rng.uniform(-0.05, 0.03)
    nose = [(0.5, 0.6 * half), (0.44, 0.95 * half), (0.3, half)]
    tail = [(-0.4, half), (-0.48, 0.92 * half), (-0.5, 0.7 * half)]
    sheet.pair([(0.5, 0), *nose, *tail, (-0.5, 0)], paint, far=0.86)
    sheet.box(0.24 + cabin, -0.7 * half, 0.42, 0.75 * half, shaded(paint, 1.08))
    sheet.pair(
        [(0.2 + cabin, 0), (0.2 + cabin, 0.84 * half), (-0.3, 0.84 * half), (-0.3, 0)], GLASS
    )
    screen = [(0.29 + cabin, 0), (0.26 + cabin, 0.76 * half), (0.14 + cabin, 0.7 * half)]
    sheet.pair([*screen, (0.16 + cabin, 0)], shaded(GLASS, 1.25))
    rear = -0.24 if rng.random() < 0.6 else -0.34  # a saloon, or an estate with a long roof
    roof = [(0.13 + cabin, 0), (0.11 + cabin, 0.66 * half), (rear, 0.66 * half), (rear, 0)]
    sheet.pair(roof, shaded(paint, 1.12), far=0.94)
    return sheet.image


def bus(rng: np.random.Generator, length_px: float) -> Image.Image:
    """A bus: a long box with hatches and an air conditioner on the roof."""
    paint = BUS_PAINTS[int(rng.integers(len(BUS_PAINTS)))]
    sheet = Sheet(length_px, paint)
    half = 0.108
    sheet.pair(
        [(0.5, 0), (0.5, 0.8 * half), (0.48, half), (-0.5, half), (-0.5, 0)], paint, far=0.86
    )
    sheet.box(0.455, -0.8 * half, 0.49, 0.8 * half, GLASS)
    sheet.box(-0.47, -0.72 * half, 0.43, 0.76 * half, shaded(paint, 1.05))
    for x in (0.28, -0.3):
        sheet.box(x, -0.35 * half, x + 0.06, 0.35 * half, shaded(paint, 0.8))
    x = rng.uniform(-0.12, 0.02)
    sheet.box(x, -0.55 * half, x + 0.17, 0.55 * half, shaded((214, 216, 218), 0.94))
    sheet.box(x + 0.03, -0.3 * half, x + 0.14, 0.3 * half, (140, 144, 148))
    return sheet.image


def turned(sheet: Image.Image, heading_rad: float) -> Image.Image:
    """A drawing turned clockwise on screen and brought down to its true size."""
    half = sheet.reduce(2)
    return half.rotate(-math.degrees(heading_rad), Image.Resampling.BILINEAR).reduce(
        OVERSAMPLING // 2
    )


def extent(sheet: Image.Image) -> NDArray[np.float64]:
    """(4,) xyxy: what a drawing covers in pixels of the picture, counted from its middle."""
    box = sheet.getchannel("A").getbbox()
    if box is None:
        raise ValueError("an empty drawing covers nothing")
    return (np.array(box) - np.tile(np.array(sheet.size) / 2, 2)) / OVERSAMPLING


def rbox_of(
    sheet: Image.Image, sprite: Image.Image, x: float, y: float, heading_rad: float
) -> NDArray[np.float64]:
    """(5,) cx, cy, w, h, angle: the oriented box of a drawing whose sprite `stamp` sets at x, y."""
    x1, y1, x2, y2 = extent(sheet)
    along, across = (x1 + x2) / 2, (y1 + y2) / 2
    cos, sin = math.cos(heading_rad), math.sin(heading_rad)
    middle = np.array(_corner(sprite, x, y)) + np.array(sprite.size) / 2
    middle += np.array([along * cos - across * sin, along * sin + across * cos])
    return np.array([*middle, x2 - x1, y2 - y1, heading_rad])


def _corner(sprite: Image.Image, x: float, y: float) -> tuple[int, int]:
    """The left upper pixel of a sprite that is set at x, y."""
    return round(x - sprite.width / 2), round(y - sprite.height / 2)


def tree(rng: np.random.Generator, radius_px: float) -> Image.Image:
    """A crown of many leaves' clumps, brighter towards the sun."""
    side = 2 * math.ceil(radius_px * 1.3) + 6
    centre = side * 2 / 2
    tint: Colour = shaded((62, 80, 42), rng.uniform(0.75, 1.15))
    image = Image.new("RGBA", (side * 2, side * 2), (*shaded(tint, 0.8), 0))
    draw = ImageDraw.Draw(image)
    num_clumps = 14 + int(radius_px)
    for depth in np.linspace(1.0, 0.15, num_clumps):
        angle, clump = rng.uniform(0, 2 * np.pi), 2 * radius_px * rng.uniform(0.28, 0.45)
        far = 2 * radius_px * 0.72 * depth * rng.uniform(0.7, 1.0)
        x, y = centre + far * np.cos(angle), centre + far * np.sin(angle)
        sunny = 1 + 0.28 * (np.cos(angle) * -SUN_SHIFT[0] + np.sin(angle) * -SUN_SHIFT[1]) * depth
        colour = shaded(tint, sunny * rng.uniform(0.8, 1.15))
        draw.ellipse((x - clump, y - clump, x + clump, y + clump), fill=(*colour, 255))
    return image.filter(ImageFilter.GaussianBlur(1.1)).reduce(2)


def stamp(
    picture: Image.Image, sprite: Image.Image, x: float, y: float, height_px: float
) -> NDArray[np.float32]:
    """Set a sprite and its soft shadow on the picture.

    Returns:
        (4,) xyxy pixels: what the sprite covers, without the shadow.
    """
    left, top = _corner(sprite, x, y)
    alpha = sprite.getchannel("A")
    shade = alpha.filter(ImageFilter.GaussianBlur(0.8 + height_px / 8)).point(_SHADE)
    step = (round(SUN_SHIFT[0] * height_px), round(SUN_SHIFT[1] * height_px))
    picture.paste((16, 19, 26), (left + step[0], top + step[1]), shade)
    picture.paste(sprite, (left, top), alpha)
    box = alpha.point(_SOLID).getbbox()
    if box is None:
        raise ValueError("an empty sprite cannot be set on the picture")
    return np.array(box, np.float32) + np.array([left, top, left, top], np.float32)


_SHADE = [round(0.62 * value) for value in range(256)]
_SOLID = [255 * (value > 96) for value in range(256)]
