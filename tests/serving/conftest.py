"""A service over real sockets, with a tile model that finds bright squares."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from smalldet.serving.options import ServeOptions
from smalldet.serving.run import listening_socket, server_of
from smalldet.serving.service import Service
from smalldet.tile_models import TileModel
from tests.inference.conftest import (
    SquareFinder,
    draw_squares,  # noqa: F401 (a fixture)  # pyright: ignore[reportUnusedImport]
)

WAIT_S = 60.0


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def form_of(fields: dict[str, str], name: str, content: bytes) -> tuple[bytes, str]:
    """A multipart body and its type."""
    mark = uuid.uuid4().hex
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    if name:
        head = f'Content-Disposition: form-data; name="file"; filename="{name}"'
        parts += [f"--{mark}\r\n{head}\r\n\r\n".encode(), content, b"\r\n"]
    return b"".join([*parts, f"--{mark}--\r\n".encode()]), f"multipart/form-data; boundary={mark}"


@dataclass
class Client:
    """Asks a service that listens."""

    service: Service
    port: int

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        told = urlencode(query, doseq=True)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            connection.request(method, f"{path}?{told}" if told else path, body, headers or {})
            answer = connection.getresponse()
            content = answer.read()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, content)
        finally:
            connection.close()

    def get(self, path: str, **query: Any) -> Answer:
        return self.ask("GET", path, **query)

    def post(
        self, path: str, file: Path | bytes | None = None, form: Any = None, **query: Any
    ) -> Answer:
        if file is None and form is None:
            return self.ask("POST", path, **query)
        name = "" if file is None else (file.name if isinstance(file, Path) else "a.png")
        content = file.read_bytes() if isinstance(file, Path) else (file or b"")
        body, kind = form_of(form or {}, name, content)
        return self.ask("POST", path, body, {"Content-Type": kind}, **query)

    def finished(self, job_id: str) -> Any:
        """The job when it is over."""
        ends_s = time.monotonic() + WAIT_S
        while (job := self.get(f"/jobs/{job_id}").json)["state"] in ("waiting", "running"):
            assert time.monotonic() < ends_s, job
            time.sleep(0.02)
        return job


@contextmanager
def listening(
    options: ServeOptions, model: TileModel | None = None, token: str | None = None
) -> Generator[Client]:
    """A service that listens on a port of its own, until the end of the context."""
    socket = listening_socket(options)
    service = Service(model or SquareFinder(), "squares", options)
    server = server_of(service, token)
    thread = threading.Thread(target=lambda: server.run(sockets=[socket]))
    thread.start()
    try:
        yield Client(service, socket.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


def options_for(folder: Path, **options: Any) -> ServeOptions:
    return ServeOptions(port=0, jobs_dir=folder / "jobs", **options)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


@pytest.fixture
def client(tmp_path: Path, data_dir: Path) -> Generator[Client]:
    """Of a service with a data folder and small limits."""
    options = options_for(
        tmp_path, data_dir=data_dir, max_upload_mb=1, max_picture_mp=1, max_scene_mp=4
    )
    with listening(options) as client:
        yield client


@pytest.fixture
def save_squares(
    data_dir: Path,
    draw_squares: Callable[..., Any],  # noqa: F811
) -> Callable[..., tuple[Path, Any, NDArray[np.uint8]]]:
    """Draws a picture of squares into the data folder: its file, its truth, its pixels."""

    def saved(name: str = "a.png", width: int = 300, height: int = 200, num: int = 20) -> Any:
        pixels, truth = draw_squares(width, height, num)
        path = data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path, truth, pixels

    return saved
