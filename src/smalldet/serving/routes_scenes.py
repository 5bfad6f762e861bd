"""Routes: the scenes that can be looked at, their tiles and crops."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from smalldet.serving.pyramid import TILE_PX, encoded
from smalldet.serving.refusals import Refusal, public_text
from smalldet.serving.routes_predict import Served
from smalldet.serving.threads import in_thread

router = APIRouter(tags=["scenes"])

FOR_AN_HOUR = {"Cache-Control": "private, max-age=3600"}


class SceneNames(BaseModel):
    """Pictures of the data folder."""

    names: list[str]


class SceneFacts(BaseModel):
    """What a page must know of a scene to show it."""

    name: str
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    tile_px: int = Field(description="Side of a tile.")
    max_level: int = Field(description="The level that shows the scene's own pixels; 0 is whole.")
    georeferenced: bool
    gsd_m: float | None = Field(description="Metres a pixel, where known.")
    truth: bool = Field(description="Whether there are labels of it.")
    ready: bool = Field(
        description="Whether coarse tiles are there at once; else the scene is read through first."
    )


def scene_key(
    name: Annotated[str | None, Query(max_length=1000, description="In the data folder.")] = None,
    job: Annotated[
        str | None, Query(max_length=40, description="That a picture was sent for.")
    ] = None,
) -> str:
    """Which scene is meant; raises Refusal where that is not clear."""
    if (name is None) == (job is None):
        raise Refusal(422, "say which picture: `name`, or `job`")
    return f"job/{job}" if name is None else f"name/{name}"


Key = Annotated[str, Depends(scene_key)]


@router.get("/scenes")
async def list_scenes(service: Served) -> SceneNames:
    """The pictures of the data folder."""
    data = service.data
    return SceneNames(names=[] if data is None else await in_thread(service.viewing, data.names))


@router.get("/scene")
async def tell_scene(service: Served, key: Key) -> SceneFacts:
    """The size of a scene, and where its tiles end."""

    def made() -> SceneFacts:
        path = service.picture_of_key(key).path
        truth = service.truth
        with service.scenes.get(key) as pyramid:
            scene = pyramid.scene
            return SceneFacts(
                name=scene.name,
                width=scene.width,
                height=scene.height,
                tile_px=TILE_PX,
                max_level=pyramid.max_level,
                georeferenced=scene.georeferenced,
                gsd_m=scene.gsd.metres,
                truth=truth is not None and truth.of(path) is not None,
                ready=pyramid.is_ready(0),
            )

    return await in_thread(service.viewing, made)


@router.get("/tile/{level}/{column}/{row}", response_class=Response)
async def tile(service: Served, key: Key, level: int, column: int, row: int) -> Response:
    """A tile of a scene as JPEG, cut from the scene when it is asked for."""

    def prepared(in_line: bool) -> bool:
        """Whether the tile can be cut; those who wait for it hold no thread of the others."""
        with service.scenes.get(key) as pyramid:
            if in_line:
                try:
                    pyramid.prepare()
                except ValueError as error:
                    raise _unreadable(error) from error
            return pyramid.is_ready(level)

    def made() -> Response:
        with service.scenes.get(key) as pyramid:
            try:
                pixels = pyramid.tile(level, column, row)
            except KeyError:
                raise Refusal(404, "no such tile") from None
            except ValueError as error:
                raise _unreadable(error) from error
        return Response(encoded(pixels), media_type="image/jpeg", headers=FOR_AN_HOUR)

    if level < 0:
        raise Refusal(404, "no such tile")
    if not await in_thread(service.viewing, lambda: prepared(False)):
        await in_thread(service.preparing, lambda: prepared(True))
    return await in_thread(service.viewing, made)


@router.get("/crop", response_class=Response)
async def crop(service: Served, key: Key, x: float, y: float, side: int = 64) -> Response:
    """The scene's own pixels around a point as PNG; `X-Left` and `X-Top` say where they begin."""

    def made() -> Response:
        with service.scenes.get(key) as pyramid:
            if not (0 <= x <= pyramid.scene.width and 0 <= y <= pyramid.scene.height):
                raise Refusal(404, "lies outside of the scene")
            try:
                pixels, (left, top) = pyramid.crop(x, y, side)
            except ValueError as error:
                raise _unreadable(error) from error
        place = {"X-Left": str(left), "X-Top": str(top), **FOR_AN_HOUR}
        return Response(encoded(pixels, "PNG"), media_type="image/png", headers=place)

    return await in_thread(service.viewing, made)


def _unreadable(error: ValueError) -> Refusal:
    return Refusal(422, public_text(str(error)))
