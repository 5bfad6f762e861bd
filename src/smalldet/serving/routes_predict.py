"""Routes: pictures that are answered at once."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, File, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, JSONResponse
from pydantic import Field
from starlette.background import BackgroundTask

from smalldet.inference.results import Result
from smalldet.serving.asks import Ask
from smalldet.serving.delivering import as_json, check_format, deliver
from smalldet.serving.service import Service
from smalldet.serving.shared_model import Limits
from smalldet.serving.threads import while_connected

router = APIRouter(tags=["predict"])


def service_of(request: Request) -> Service:
    """The service that the application was made for."""
    return request.app.state.service


Served = Annotated[Service, Depends(service_of)]
Picture = Annotated[UploadFile | None, File(description="The picture, in any format served.")]


class PredictQuery(Ask):
    """What is asked of a picture, and how the answer is written."""

    format: str = Field(
        default="json", max_length=40, description="json, or a format of `predict`."
    )


@router.post("/predict", response_class=Response)
async def predict(
    request: Request,
    service: Served,
    query: Annotated[PredictQuery, Query()],
    file: Picture = None,
) -> Response:
    """Find the objects of one picture, sent as the form field `file`, or named.

    The answer is JSON, or a file in the format that is asked for.
    """
    check_format(query.format)
    limits = Limits(time.monotonic() + service.options.timeout_s)

    def work() -> Response:
        source = (None, None) if file is None else (file.file, file.filename)
        result = service.predict(query, *source, limits)
        return delivered(service, result, query.format)

    with service.turn():
        return await while_connected(request, limits, service.predicting, work)


def delivered(service: Service, result: Result, wanted: str) -> Response:
    """A result as an answer."""
    if wanted == "json":
        return JSONResponse(as_json(result))
    folder = Path(tempfile.mkdtemp(prefix="smalldet-"))
    try:
        ids = None if service.truth is None else service.truth.ids
        delivery = deliver(result, wanted, folder, ids)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return FileResponse(
        delivery.path,
        filename=delivery.name,
        media_type=delivery.media_type,
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )
