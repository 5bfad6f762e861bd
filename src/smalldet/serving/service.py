"""Service: what the routes call. It owns the model's thread, the jobs and the open scenes."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import BinaryIO

from smalldet.folder_lock import FolderLock
from smalldet.inference.results import Result
from smalldet.serving.asks import Ask
from smalldet.serving.data_folder import DataFolder
from smalldet.serving.intake import Intake
from smalldet.serving.job_runner import JobRunner
from smalldet.serving.jobs import Job, JobStore
from smalldet.serving.metrics import Metrics
from smalldet.serving.open_scenes import OpenScenes
from smalldet.serving.options import ServeOptions
from smalldet.serving.pictures import open_picture
from smalldet.serving.predicting import PictureLimits, Pictures, Sent
from smalldet.serving.pyramid import Pyramid
from smalldet.serving.refusals import Refusal
from smalldet.serving.shared_model import Limits, SharedModel
from smalldet.serving.truth import Truth
from smalldet.tile_models import TileModel
from smalldet.user_cache import user_cache

NUM_PREDICTING, NUM_VIEWING, NUM_TELLING = 8, 4, 2
"""Threads that decode and predict pictures, cut tiles for pages, and tell of jobs."""


class Service:
    """A model and all that is served round it.

    Args:
        model: finds objects in tiles.
        model_name: what people call it.
        options: limits and folders.

    Raises:
        OSError, ValueError: a folder or the labels cannot be read.
    """

    def __init__(self, model: TileModel, model_name: str, options: ServeOptions) -> None:
        self.model, self.model_name, self.options = model, model_name, options
        self.data = None if options.data_dir is None else DataFolder(options.data_dir)
        self.truth = None if options.truth is None else Truth(options.truth)
        folder = options.jobs_dir or user_cache() / "jobs"
        held = "another server keeps its jobs there; name another folder by --jobs-dir"
        self._lock = FolderLock(folder, held)
        self.store = JobStore(folder, options.keep_jobs)
        self.intake = Intake(options, self.data, folder)
        self._overviews, self._stop = folder / "overviews", threading.Event()
        self._at_once = PictureLimits(options.max_picture_mp * 1e6, options.max_decoded_mp * 1e6)
        self._as_job = PictureLimits(options.max_scene_mp * 1e6, options.max_decoded_mp * 1e6)
        self.metrics = Metrics()
        self.shared = SharedModel(model, self.metrics.on_batch)
        self.pictures = Pictures(self.shared)
        self.scenes = OpenScenes(self._pyramid, self._stamp)
        self.runner = JobRunner(
            self.store,
            self.pictures,
            self.sent,
            self._as_job,
            num_running=options.max_jobs,
            max_waiting=options.max_waiting_jobs,
            timeout_s=options.job_timeout_s,
        )
        self.predicting = ThreadPoolExecutor(NUM_PREDICTING, thread_name_prefix="predict")
        self.viewing = ThreadPoolExecutor(NUM_VIEWING, thread_name_prefix="view")
        self.telling = ThreadPoolExecutor(NUM_TELLING, thread_name_prefix="tell")
        self.preparing = ThreadPoolExecutor(1, thread_name_prefix="prepare")
        self._num_requests, self._counting = 0, threading.Lock()
        self.is_closing = False
        self._watch()

    def close(self) -> None:
        """Stop all threads; jobs that run go on when the next service starts."""
        self.is_closing = True
        self._stop.set()
        self.runner.close()
        self.shared.close()
        self.predicting.shutdown(cancel_futures=True)
        for pool in (self.viewing, self.telling, self.preparing):
            pool.shutdown(cancel_futures=True)
        self.scenes.close()
        self._lock.close()

    @contextmanager
    def turn(self) -> Generator[None]:
        """Room for one more picture that is answered at once; raises Refusal where all is taken."""
        with self._counting:
            if self._num_requests >= self.options.max_requests:
                raise Refusal(503, "too many pictures wait; try again later")
            self._num_requests += 1
        try:
            yield
        finally:
            with self._counting:
                self._num_requests -= 1

    def predict(
        self, ask: Ask, file: BinaryIO | None, file_name: str | None, limits: Limits
    ) -> Result:
        """Answer a picture at once; raises Refusal, StoppedError."""
        limits.check()
        with self.intake.taken(ask, file, file_name, limits.deadline_s) as sent:
            try:
                scene = self.pictures.open(sent, ask, self._at_once)
            except Refusal as refusal:
                if refusal.status == 413:
                    raise Refusal(413, f"{refusal.text}; make it a job: POST /jobs") from refusal
                raise
            with scene:
                return self.pictures.predict(scene, sent, ask, limits, urgent=True)

    def new_job(
        self, ask: Ask, file: BinaryIO | None, file_name: str | None, area: str | None
    ) -> Job:
        """Take a job on, after a look at its picture; raises Refusal."""
        self.runner.check_room()
        self.pictures.check(ask)
        deadline_s = time.monotonic() + self.options.timeout_s
        with self.intake.taken(ask, file, file_name, deadline_s) as sent:
            with open_picture(
                sent.path,
                sent.name,
                self._as_job.max_px,
                max_decoded_px=self._as_job.max_decoded_px,
            ) as scene:
                width, height = scene.width, scene.height
            is_sent = ask.name is None
            job = Job(name=sent.name, sent=is_sent, ask=ask, area=area, width=width, height=height)
            self.store.add(job, sent.path if is_sent else None)
        self.runner.start(job)
        return job

    def sent(self, job: Job) -> Sent:
        """The picture of a job; raises Refusal where it is gone."""
        return Sent(self.store.picture(job), job.name) if job.sent else self.intake.named(job.name)

    def result(self, job: Job) -> Result:
        """What a job found; raises Refusal."""
        found = self.store.read_found(job)
        sent = self.sent(job)
        with self.pictures.open(sent, job.ask, self._as_job) as scene:
            options = job.ask.predict_options()
            gsd_m = scene.gsd.metres if options.gsd_m is None else options.gsd_m
            classes = options.classes or found.class_names
            return Result.of(scene, str(sent.path), found, classes=classes, gsd_m=gsd_m)

    def picture_of_key(self, key: str) -> Sent:
        """The picture that a key of a scene means: `name/` and its name, or `job/` and its id."""
        kind, _, which = key.partition("/")
        if kind == "name":
            return self.intake.named(which)
        return self.sent(self.store.get(which))

    def _pyramid(self, key: str) -> Pyramid:
        sent = self.picture_of_key(key)
        limits = self._as_job
        scene = open_picture(
            sent.path, sent.name, limits.max_px, max_decoded_px=limits.max_decoded_px
        )
        return Pyramid(scene, self._overviews, self._stop)

    def _stamp(self, key: str) -> object:
        state = self.picture_of_key(key).path.stat()
        return state.st_mtime_ns, state.st_size

    def _watch(self) -> None:
        metrics = self.metrics
        metrics.watch(
            "waiting_batches", "Asks for tiles that wait.", lambda: self.shared.num_waiting
        )
        metrics.watch("open_requests", "Pictures that wait or run.", lambda: self._num_requests)
        for state in ("waiting", "running"):
            metrics.watch(
                f"jobs_{state}",
                f"Jobs that are {state}.",
                lambda state=state: sum(job.state == state for job in self.store.all()),
            )
