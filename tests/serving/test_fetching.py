"""Pictures by URL: from the hosts that are named and no others, whatever those answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from smalldet.serving.fetching import fetch
from smalldet.serving.refusals import Refusal
from tests.serving.conftest import listening, options_for


@pytest.fixture
def site(save_squares) -> Generator[str]:
    """A site with a picture, a redirect, and a stream without an end."""
    content = save_squares()[0].read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", "/a.png")
                self.end_headers()
                return
            self.send_response(200 if self.path != "/none" else 404)
            self.end_headers()
            try:
                while self.path == "/endless":
                    self.wfile.write(bytes(1 << 16))
                self.wfile.write(content)
            except OSError:
                return

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_named_hosts_are_asked(tmp_path: Path, site: str) -> None:
    options = options_for(tmp_path, url_hosts=(site,), max_upload_mb=0.5)
    with listening(options) as client:
        answer = client.post("/predict", url=f"http://{site}/in/a%20b.png?x=1")
        assert answer.status == 200 and answer.json["name"] == "a b.png"
        job = client.post("/jobs", url=f"http://{site}/a.png").json
        assert client.finished(job["id"])["state"] == "done"
        for path, status in (("moved", 502), ("none", 502), ("endless", 413)):
            assert client.post("/predict", url=f"http://{site}/{path}").status == status


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:{port}/a.png", "http://127.0.0.1/a.png", "file:///etc/passwd",
        "ftp://{site}/a.png", "http://{site}@evil.example/a.png", "http://evil.example/{site}/",
        "http://evil.example\\@{site}/a", "http://x@{site}/a.png", "/vsicurl/http://{site}/a.png",
        "http://[::1/a", "http://{site}:99/a", "",
    ],
)  # fmt: skip
def test_others_are_not(tmp_path: Path, site: str, url: str) -> None:
    given = url.format(site=site, port=site.partition(":")[2])
    with pytest.raises(Refusal) as refusal:
        fetch(given, (site,), tmp_path / "x", 10**6, time.monotonic() + 5)
    assert refusal.value.status in (403, 422) and not (tmp_path / "x").exists()


def test_what_comes_too_slowly_is_left(tmp_path: Path, site: str) -> None:
    with pytest.raises(Refusal, match="too long"):
        fetch(f"http://{site}/endless", (site,), tmp_path / "x", 10**12, time.monotonic() + 0.2)
