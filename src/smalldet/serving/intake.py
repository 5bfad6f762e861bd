"""Intake: whatever way a picture comes, it becomes a file and a name."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from smalldet.serving.asks import Ask
from smalldet.serving.data_folder import DataFolder
from smalldet.serving.fetching import fetch
from smalldet.serving.options import ServeOptions
from smalldet.serving.pictures import SUFFIX, driver_of
from smalldet.serving.predicting import Sent
from smalldet.serving.refusals import Refusal

INCOMING = ".incoming-"
MAX_NAME = 100


class Intake:
    """Takes pictures in.

    Args:
        options: of the service.
        data: pictures that may be named, if any.
        folder: for files that were sent, until they are done with.
    """

    def __init__(self, options: ServeOptions, data: DataFolder | None, folder: Path) -> None:
        self.data, self._folder, self._hosts = data, folder, options.url_hosts
        self.max_bytes = int(options.max_upload_mb * 1e6)
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{INCOMING}*"):  # by a server that was killed
            shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def taken(
        self, ask: Ask, file: BinaryIO | None, file_name: str | None, deadline_s: float
    ) -> Generator[Sent]:
        """The picture of a request; what was sent is removed at the end, unless it was moved.

        Args:
            ask: names it, or says its URL.
            file: its content, where it was sent.
            file_name: as the client calls it.
            deadline_s: for fetching, of `time.monotonic`.

        Raises:
            Refusal: there is no picture, or several ways to one.
        """
        ways = [way for way in (file, ask.name, ask.url) if way is not None]
        if len(ways) != 1:
            raise Refusal(422, "give one picture: the form field `file`, or `name`, or `url`")
        if ask.name is not None:
            yield self.named(ask.name)
            return
        with tempfile.TemporaryDirectory(prefix=INCOMING, dir=self._folder) as folder:
            path = Path(folder) / "sent"
            if file is not None:
                with path.open("wb") as target:
                    shutil.copyfileobj(file, target)
            else:
                assert ask.url is not None
                file_name = fetch(ask.url, self._hosts, path, self.max_bytes, deadline_s)
            name = _safe(file_name)
            suffix = SUFFIX[driver_of(path, name)]
            yield Sent(path.rename(path.with_suffix(suffix)), name)

    def named(self, name: str) -> Sent:
        """A picture of the data folder; raises Refusal."""
        if self.data is None:
            raise Refusal(404, "this service has no data folder; send the picture")
        return Sent(self.data.path(name), name)


def _safe(name: str | None) -> str:
    """A file name without what file systems or pages could take amiss."""
    plain = PurePosixPath((name or "").replace("\\", "/")).name
    return re.sub(r"[^\w.\- ]", "_", plain).strip(". ")[-MAX_NAME:] or "picture"
