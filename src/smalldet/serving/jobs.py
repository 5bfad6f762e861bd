"""Jobs: predictions of large scenes, as small files that outlive the server."""

from __future__ import annotations

import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from smalldet.atomic_write import write_text
from smalldet.columns import columns_in
from smalldet.detections import Detections
from smalldet.models.checkpoints.tensor_file import read_tensors, write_tensors
from smalldet.serving.asks import Ask
from smalldet.serving.refusals import Refusal

State = Literal["waiting", "running", "done", "failed", "cancelled"]
OVER: frozenset[State] = frozenset(("done", "failed", "cancelled"))
ID = re.compile(r"[0-9a-f]{16}")


class Job(BaseModel):
    """A prediction that a client does not wait for."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field(default_factory=lambda: uuid4().hex[:16])
    name: str = Field(description="What the client calls the picture.")
    sent: bool = Field(description="Whether the picture was sent, and not named.")
    ask: Ask
    area: str | None = Field(default=None, description="Polygon in pixels, as well-known text.")
    state: State = "waiting"
    created: float = Field(default_factory=time.time, description="Seconds since 1970.")
    began: float | None = None
    ended: float | None = None
    done: int = Field(default=0, description="Tiles that are done.")
    total: int = Field(default=0, description="Tiles in all; 0 until it is known.")
    message: str = Field(default="", description="What went wrong, or what to know.")
    width: int = 0
    height: int = 0
    counts: dict[str, int] = Field(default={}, description="Objects found, by class.")
    class_names: tuple[str, ...] = Field(default=(), description="What the model knew.")

    @property
    def is_over(self) -> bool:
        return self.state in OVER


class JobStore:
    """Jobs in a folder, one folder each: `job.json`, what was sent, and what was found.

    Args:
        folder: made where there is none; jobs that lie in it are known from the start.
        num_kept: jobs that are over and kept; older ones are removed.
    """

    def __init__(self, folder: Path, num_kept: int) -> None:
        self.folder, self._num_kept = folder, num_kept
        self._lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)
        self._jobs: dict[str, Job] = {}
        for file in folder.glob("*/job.json"):
            try:
                job = Job.model_validate_json(file.read_bytes())
            except (OSError, ValidationError):
                continue  # of another version, or damaged: it stays where it is, unknown
            if ID.fullmatch(job.id) and file.parent.name == job.id:
                self._jobs[job.id] = job

    def all(self) -> list[Job]:
        """The newest first."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda job: -job.created)

    def get(self, job_id: str) -> Job:
        """Raises Refusal where there is no such job."""
        with self._lock:
            if job_id not in self._jobs:
                raise Refusal(404, "no such job")
            return self._jobs[job_id]

    def add(self, job: Job, picture: Path | None) -> Job:
        """Keep a new job, and the picture that was sent for it, which is moved."""
        place = self.of(job)
        place.mkdir(parents=True)
        if picture is not None:
            shutil.move(picture, place / f"picture{picture.suffix}")
        with self._lock:
            self._jobs[job.id] = job
            self.save(job)
        return job

    def change(self, job_id: str, **values: object) -> Job:
        """The job with other values, kept."""
        with self._lock:
            job = self.note(job_id, **values)
            self.save(job)
            return job

    def note(self, job_id: str, **values: object) -> Job:
        """The job with other values, which a killed server would forget."""
        with self._lock:
            job = self.get(job_id).model_copy(update=values)
            self._jobs[job_id] = job
            return job

    def save(self, job: Job) -> None:
        write_text(self.of(job) / "job.json", job.model_dump_json(indent=1) + "\n")

    def remove(self, job_id: str) -> None:
        """Forget a job that is over, and its files."""
        with self._lock:
            job = self.get(job_id)
            if not job.is_over:
                raise Refusal(409, "the job is not over; cancel it first")
            del self._jobs[job_id]
        shutil.rmtree(self.of(job), ignore_errors=True)

    def forget_old(self) -> None:
        """Remove the oldest jobs that are over, beyond those that are kept."""
        for job in [job for job in self.all() if job.is_over][self._num_kept :]:
            self.remove(job.id)

    def of(self, job: Job) -> Path:
        """The job's folder."""
        return self.folder / job.id

    def picture(self, job: Job) -> Path:
        """The picture that was sent; raises Refusal where it is gone."""
        found = sorted(self.of(job).glob("picture.*"))
        if not found:
            raise Refusal(410, f"{job.name}: is gone from this service")
        return found[0]

    def checkpoint(self, job: Job) -> Path:
        """Folder of what is found on the way."""
        return self.of(job) / "checkpoint"

    def write_found(self, job: Job, found: Detections) -> None:
        """Keep what a job found, and nothing of the way there."""
        columns = {
            name: torch.as_tensor(column).contiguous() for name, column in columns_in(found).items()
        }
        write_tensors(self.of(job) / "found.safetensors", columns, {})
        shutil.rmtree(self.checkpoint(job), ignore_errors=True)

    def read_found(self, job: Job) -> Detections:
        """What a job found; raises Refusal where that is not known."""
        if job.state != "done":
            raise Refusal(409, f"the job is {job.state}; it has no results")
        try:
            tensors, _ = read_tensors(self.of(job) / "found.safetensors")
            columns: dict[str, Any] = {**tensors}
            return Detections(**columns, class_names=job.class_names)
        except (ValueError, OSError, TypeError) as error:
            raise Refusal(410, "the results are gone or damaged") from error
