"""What a client may ask of a prediction: options within bounds, none of them a path."""

from __future__ import annotations

from typing import Annotated

import shapely
from pydantic import BaseModel, ConfigDict, Field

from smalldet.config.imagery import ImageryOptions
from smalldet.inference.options import PredictOptions
from smalldet.serving.refusals import Refusal

MAX_CORNERS = 20_000
OF_IMAGERY = frozenset(("bands", "stretch", "nodata"))
OF_SOURCE = frozenset(("name", "url"))


class Ask(BaseModel):
    """What is looked for, in which picture, and how; given in the query of a request.

    The fields have the meaning of those of `PredictOptions` and `ImageryOptions`.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str | None = Field(
        default=None, max_length=1000, description="A picture of the data folder."
    )
    url: str | None = Field(
        default=None, max_length=2000, description="A picture at an address, of the hosts allowed."
    )
    conf: float | None = Field(default=None, ge=0, le=1, description="Least score.")
    classes: Annotated[list[str], Field(max_length=1000)] = []
    tile_px: int | None = Field(default=None, ge=64, le=2048, description="Side of a tile.")
    overlap_frac: float = Field(default=0.2, ge=0, le=0.5, description="Least overlap of tiles.")
    scales: Annotated[list[float], Field(max_length=4)] = [1.0]
    gsd_m: float | None = Field(default=None, gt=0, description="Metres a pixel.")
    no_gsd_match: bool = Field(default=False, description="Take the picture as it is.")
    min_size_m: float | None = Field(default=None, gt=0, description="Least size in metres.")
    max_size_m: float | None = Field(
        default=None, gt=0, description="Size in metres to stay under."
    )
    whole_pass: bool = Field(
        default=False, description="Look also at the whole picture as one tile."
    )
    scout: bool = Field(
        default=False, description="Pass over tiles in which a small picture is empty."
    )
    max_detections: int | None = Field(default=None, ge=1, description="The strongest are kept.")
    bands: Annotated[list[int], Field(max_length=64)] = []
    stretch: str | None = Field(
        default=None, max_length=100, description="Values that become 0 and 255."
    )
    nodata: float | None = Field(default=None, description="Value of pixels without data.")

    def predict_options(self) -> PredictOptions:
        """How it is predicted.

        Raises:
            ValueError: an option is wrong.
        """
        left_out = {"format", *OF_IMAGERY, *OF_SOURCE}
        return PredictOptions.model_validate(self.model_dump(exclude=left_out))

    def imagery_options(self) -> ImageryOptions:
        """How the picture is read.

        Raises:
            ValueError: an option is wrong.
        """
        return ImageryOptions.model_validate(self.model_dump(include=set(OF_IMAGERY)))


def read_area(text: str) -> str:
    """An area of interest, GeoJSON in pixels of the picture, as well-known text.

    Raises:
        Refusal: it is no polygon.
    """
    try:
        shape = shapely.make_valid(shapely.from_geojson(text))
    except (shapely.errors.ShapelyError, ValueError, TypeError) as error:
        raise Refusal(422, "area: is no GeoJSON") from error
    if not shapely.is_geometry(shape) or shape.is_empty or shapely.get_dimensions(shape) != 2:
        raise Refusal(422, "area: must be a polygon, in pixels of the picture")
    if shapely.get_num_coordinates(shape) > MAX_CORNERS:
        raise Refusal(422, f"area: has more than {MAX_CORNERS} corners")
    return shape.wkt
