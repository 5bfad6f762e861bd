"""JobRunner: threads that take jobs in their order, and go on with those of a killed server."""

from __future__ import annotations

import logging
import queue
import shutil
import threading
import time
from collections.abc import Callable

from smalldet.inference.prediction_checkpoint import OtherRunError
from smalldet.inference.results import Result
from smalldet.serving.jobs import Job, JobStore
from smalldet.serving.predicting import PictureLimits, Pictures, Sent
from smalldet.serving.refusals import Refusal, StoppedError
from smalldet.serving.shared_model import Limits

logger = logging.getLogger(__name__)

BEGUN_ANEW = "the model is another one than when it began; it was begun anew"


class JobRunner:
    """Runs the jobs of a store; jobs that were waiting or running in it go on at once.

    Args:
        store: of the jobs.
        pictures: predicts.
        sent: finds the picture of a job; raises Refusal.
        picture_limits: most pixels.
        num_running: jobs at a time.
        max_waiting: jobs that wait, at most.
        timeout_s: that a job may run.
    """

    def __init__(
        self,
        store: JobStore,
        pictures: Pictures,
        sent: Callable[[Job], Sent],
        picture_limits: PictureLimits,
        *,
        num_running: int,
        max_waiting: int,
        timeout_s: float,
    ) -> None:
        self.store, self._pictures, self._sent = store, pictures, sent
        self._picture_limits, self._timeout_s = picture_limits, timeout_s
        self._max_waiting = max_waiting
        self._line: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stops: dict[str, threading.Event] = {}
        self._closing = threading.Event()
        for job in reversed(store.all()):
            if not job.is_over:
                store.change(job.id, state="waiting")
                self._line.put(job.id)
        self._threads = [
            threading.Thread(target=self._work, name=f"job {i}", daemon=True)
            for i in range(num_running)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def num_waiting(self) -> int:
        return sum(job.state == "waiting" for job in self.store.all())

    def check_room(self) -> None:
        """Raises Refusal where too many jobs wait."""
        running = sum(job.state == "running" for job in self.store.all())
        free = len(self._threads) - running
        if self.num_waiting >= self._max_waiting + max(free, 0):
            raise Refusal(429, "too many jobs wait; try again later")

    def start(self, job: Job) -> None:
        """Take a job of the store on."""
        self._line.put(job.id)

    def cancel(self, job_id: str) -> Job:
        """End a job; what is over stays as it is."""
        job = self.store.get(job_id)
        if job.state == "waiting":
            return self.store.change(job_id, state="cancelled", ended=time.time())
        if job.state == "running" and job_id in self._stops:
            self._stops[job_id].set()
        return job

    def close(self) -> None:
        """Stop; running jobs go on when the next server starts."""
        self._closing.set()
        for stop in list(self._stops.values()):
            stop.set()
        for _ in self._threads:
            self._line.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job_id := self._line.get()) is not None and not self._closing.is_set():
            try:
                job = self.store.get(job_id)
            except Refusal:
                continue
            if job.state == "waiting":
                self._run(job)
                self.store.forget_old()

    def _run(self, job: Job) -> None:
        stop = self._stops[job.id] = threading.Event()
        self.store.change(job.id, state="running", began=time.time())
        try:
            result = self._predict(job, Limits(time.monotonic() + self._timeout_s, stop))
            found = result.detections
            self.store.write_found(job, found)
            self._end(job, "done", counts=found.counts(), class_names=found.class_names)
        except StoppedError:
            if not self._closing.is_set():
                self._end(job, "cancelled")
        except Refusal as refusal:
            self._end(job, "failed", message=refusal.text)
        except Exception:  # the job's own; others go on
            logger.exception("job %s failed", job.id)
            self._end(job, "failed", message="failed for a reason that the server's log tells")
        finally:
            del self._stops[job.id]

    def _end(self, job: Job, state: str, **values: object) -> None:
        self.store.change(job.id, state=state, ended=time.time(), **values)
        if state != "done":
            shutil.rmtree(self.store.checkpoint(job), ignore_errors=True)

    def _predict(self, job: Job, limits: Limits) -> Result:
        sent = self._sent(job)
        with self._pictures.open(sent, job.ask, self._picture_limits) as scene:
            self.store.note(job.id, width=scene.width, height=scene.height)

            def advance(done: int, total: int) -> None:
                limits.check()
                self.store.note(job.id, done=done, total=total)

            def predicted() -> Result:
                return self._pictures.predict(
                    scene,
                    sent,
                    job.ask,
                    limits,
                    urgent=False,
                    area=job.area,
                    checkpoint=self.store.checkpoint(job),
                    on_progress=advance,
                )

            try:
                return predicted()
            except Refusal as refusal:
                if not isinstance(refusal.__cause__, OtherRunError):
                    raise
            shutil.rmtree(self.store.checkpoint(job))
            self.store.change(job.id, message=BEGUN_ANEW)
            return predicted()
