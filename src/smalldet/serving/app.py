"""The application: routes, guards, and what errors become."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from importlib.resources import files

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from smalldet.serving import routes_jobs, routes_predict, routes_scenes, routes_service
from smalldet.serving.guards import Door, Guards
from smalldet.serving.metrics import Metrics
from smalldet.serving.refusals import Refusal, StoppedError
from smalldet.serving.service import Service

RETRY = {429: {"Retry-After": "5"}, 503: {"Retry-After": "1"}}


def make_app(service: Service, token: str | None = None) -> FastAPI:
    """A service over HTTP. The service is closed when the application ends.

    Args:
        service: what the routes call.
        token: that clients must send; None lets all in who reach it.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        service.close()

    app = FastAPI(
        title="smalldet",
        version=version("smalldet"),
        summary="Finds small objects in large pictures.",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    door = Door(token, local=service.options.on_loopback)
    app.state.service, app.state.door = service, door
    for routes in (routes_predict, routes_jobs, routes_scenes, routes_service):
        app.include_router(routes.router)
    folder = files("smalldet.serving")
    app.mount("/static/vendor", StaticFiles(directory=str(folder / "vendor")))
    app.mount("/static", StaticFiles(directory=str(folder / "page")))
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(StoppedError, _stopped)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(
        Guards,
        door=door,
        max_bytes=service.intake.max_bytes,
        body_s=service.options.timeout_s,
        observe=_observer(service.metrics),
    )
    return app


def _observer(metrics: Metrics):
    def observe(method: str, route: str, status: int, seconds: float) -> None:
        metrics.requests.labels(method, route, status).inc()
        metrics.seconds.labels(route).observe(seconds)

    return observe


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    headers = RETRY.get(error.status)
    return JSONResponse({"detail": error.text}, error.status, headers)


async def _stopped(_: Request, __: Exception) -> JSONResponse:
    return JSONResponse({"detail": "stopped before the end"}, 503, RETRY[503])


async def _failed(_: Request, __: Exception) -> JSONResponse:
    """The server's log has the rest."""
    return JSONResponse({"detail": "something went wrong here; the service's log tells it"}, 500)
