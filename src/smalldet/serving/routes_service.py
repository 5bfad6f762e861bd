"""Routes: the service itself, its page, and who may see it."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from smalldet.imagery.drawing import class_colours
from smalldet.serving.delivering import FORMATS
from smalldet.serving.guards import COOKIE, Door
from smalldet.serving.refusals import Refusal
from smalldet.serving.routes_predict import Served

router = APIRouter(tags=["service"])

WEEK_S = 7 * 86_400


class Health(BaseModel):
    """Whether the service works."""

    status: str


class ModelFacts(BaseModel):
    """What is served, and within which limits."""

    model: str
    runtime: str
    class_names: list[str]
    colours: list[str] = Field(description="Of each class, as `#rrggbb`.")
    conf: float = Field(description="Least score unless told.")
    tile_px: int
    formats: list[str]
    max_upload_mb: float
    max_picture_mp: float
    data_folder: bool = Field(description="Whether pictures can be named.")


@router.get("/health")
async def health(service: Served) -> Health:
    """For whoever watches the service; open to all."""
    if service.is_closing:
        raise Refusal(503, "the service is closing")
    return Health(status="ok")


@router.get("/metrics", response_class=Response)
async def metrics(service: Served) -> Response:
    """Prometheus' text format."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/model")
async def tell_model(service: Served) -> ModelFacts:
    """What is served."""
    model, options = service.model, service.options
    colours = class_colours(len(model.class_names))
    return ModelFacts(
        model=service.model_name,
        runtime=model.runtime,
        class_names=list(model.class_names),
        colours=["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours],
        conf=model.conf,
        tile_px=model.tile_px,
        formats=list(FORMATS),
        max_upload_mb=options.max_upload_mb,
        max_picture_mp=options.max_picture_mp,
        data_folder=service.data is not None,
    )


@router.post("/login", status_code=204)
async def login(
    request: Request, response: Response, token: Annotated[str, Form(max_length=500)]
) -> None:
    """Exchange the token for a cookie, for the page."""
    door: Door = request.app.state.door
    if not door.is_token(token.strip()):
        raise Refusal(401, "the token is wrong")
    response.set_cookie(COOKIE, door.cookie, max_age=WEEK_S, httponly=True, samesite="strict")


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
async def page() -> HTMLResponse:
    """The page."""
    text = (files("smalldet.serving") / "page/index.html").read_text(encoding="utf-8")
    return HTMLResponse(text, headers={"Cache-Control": "no-cache"})
