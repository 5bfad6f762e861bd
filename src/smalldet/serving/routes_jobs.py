"""Routes: jobs, how far they are, and what they found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import StreamingResponse

from smalldet.detections import Detections
from smalldet.serving.asks import Ask, read_area
from smalldet.serving.columns import box_columns, column_response
from smalldet.serving.delivering import check_format
from smalldet.serving.jobs import Job
from smalldet.serving.refusals import Refusal
from smalldet.serving.routes_predict import Picture, Served, delivered
from smalldet.serving.service import Service
from smalldet.serving.threads import in_thread
from smalldet.serving.truth import Judged

router = APIRouter(prefix="/jobs", tags=["jobs"])

LOOK_EVERY_S, BEAT_S = 0.2, 15.0


@router.post("", status_code=202)
async def make_job(
    service: Served,
    query: Annotated[Ask, Query()],
    file: Picture = None,
    area: Annotated[
        str | None, Form(max_length=900_000, description="GeoJSON polygon in pixels.")
    ] = None,
) -> Job:
    """Begin a prediction that nobody waits for, of a picture of any size."""
    source = (None, None) if file is None else (file.file, file.filename)
    wkt = None if area is None else read_area(area)
    return await in_thread(service.telling, lambda: service.new_job(query, *source, wkt))


@router.get("")
async def list_jobs(service: Served) -> list[Job]:
    """All jobs that are known, the newest first."""
    return service.store.all()


@router.get("/{job_id}")
async def tell_job(service: Served, job_id: str) -> Job:
    """How far a job is."""
    return service.store.get(job_id)


@router.post("/{job_id}/cancel")
async def cancel_job(service: Served, job_id: str) -> Job:
    """End a job before its end; what it found so far is lost."""
    return await in_thread(service.telling, lambda: service.runner.cancel(job_id))


@router.delete("/{job_id}", status_code=204)
async def remove_job(service: Served, job_id: str) -> None:
    """Forget a job that is over, with its picture and results."""
    await in_thread(service.telling, lambda: service.store.remove(job_id))


@router.get("/{job_id}/events", response_class=StreamingResponse)
async def follow_job(request: Request, service: Served, job_id: str) -> StreamingResponse:
    """Server-sent events: the job whenever it has changed, until it is over."""
    service.store.get(job_id)
    return StreamingResponse(
        _events(request, service, job_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/{job_id}/result", response_class=Response)
async def job_result(
    service: Served, job_id: str, format: Annotated[str, Query(max_length=40)] = "json"
) -> Response:
    """What a job found, as JSON or as a file in any format of `predict`."""
    check_format(format)
    job = service.store.get(job_id)
    return await in_thread(service.telling, lambda: delivered(service, service.result(job), format))


@router.get("/{job_id}/boxes", response_class=Response)
async def job_boxes(service: Served, job_id: str) -> Response:
    """What a job found, in columns for the page, strongest first.

    `label` counts from 0 in the job's `class_names`; `verdict` is there where there is truth: 0 not
    judged, 1 on an object, 2 a false alarm.
    """
    job = service.store.get(job_id)

    def made() -> Response:
        found, judged = _judged(service, job)
        columns = box_columns(found.boxes, found.rboxes)
        columns |= {"score": found.scores.numpy(), "label": found.labels.numpy()}
        if judged is not None:
            columns["verdict"] = judged.verdict
        return column_response(columns)

    return await in_thread(service.telling, made)


@router.get("/{job_id}/truth", response_class=Response)
async def job_truth(service: Served, job_id: str) -> Response:
    """The truth of a job's picture, in columns for the page.

    `found_at` is the score of the detection that is on the object, or -1.
    """
    job = service.store.get(job_id)

    def made() -> Response:
        _, judged = _judged(service, job)
        if judged is None:
            raise Refusal(404, "there is no truth of this picture")
        record = judged.record
        columns = box_columns(record.boxes, record.rboxes)
        columns |= {"label": record.labels, "ignore": record.ignore, "found_at": judged.found_at}
        return column_response(columns)

    return await in_thread(service.telling, made)


def _judged(service: Service, job: Job) -> tuple[Detections, Judged | None]:
    found = service.store.read_found(job).sorted_by_score()
    if service.truth is None or job.sent:
        return found, None
    return found, service.truth.judge(service.sent(job).path, found)


async def _events(request: Request, service: Service, job_id: str) -> AsyncIterator[str]:
    told, told_s = "", time.monotonic()
    while not service.is_closing and not await request.is_disconnected():
        try:
            job = service.store.get(job_id)
        except Refusal:
            return
        content = job.model_dump_json()
        if content != told:
            told, told_s = content, time.monotonic()
            yield f"event: job\ndata: {content}\n\n"
        elif time.monotonic() - told_s > BEAT_S:
            told_s = time.monotonic()
            yield ": still there\n\n"
        if job.is_over:
            return
        await asyncio.sleep(LOOK_EVERY_S)
