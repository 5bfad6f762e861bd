"""Remote pictures are read by windows through GDAL, by the path that the user gave."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from smalldet.imagery import open_scene
from smalldet.imagery.sources import expand_sources

# Serves parts of files, as a store of cloud-optimised GeoTIFFs does, and prints how many bytes. In
# a process of its own: GDAL waits for it with Python's lock in hand.
SERVER = """
import sys
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

class Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        content = path.read_bytes()
        first, last = 0, len(content) - 1
        wanted = self.headers.get("Range")
        if wanted:
            low, _, high = wanted.removeprefix("bytes=").partition("-")
            first, last = int(low), min(int(high or last), last)
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        self.wfile.write(content[first : last + 1])
        print(last - first + 1, flush=True)

    def log_message(self, *args):
        pass

server = HTTPServer(("127.0.0.1", 0), partial(Handler, directory=sys.argv[1]))
print(server.server_port, flush=True)
server.serve_forever()
"""
Served = tuple[str, "subprocess.Popen[str]"]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The address of `tmp_path`, and the server's process."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, tmp_path], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}", server
        server.kill()


def test_only_the_window_is_fetched(served: Served, tmp_path: Path) -> None:
    address, server = served
    values = np.random.default_rng(0).integers(0, 255, (3, 2048, 2048), np.uint8)
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", count=3, height=2048, width=2048, dtype="uint8",
        tiled=True, crs="EPSG:32633", transform=from_origin(391_000, 5_824_000, 0.25, 0.25),
    ) as file:  # fmt: skip
        file.write(values)
    source = f"/vsicurl/{address}/a.tif"
    assert expand_sources([source]) == [source]
    with open_scene(source) as scene:
        assert scene.name == source and scene.georeferenced
        window = scene.read((1000, 700, 1300, 900))
    assert np.array_equal(window, values[:, 700:900, 1000:1300])
    server.kill()
    sent = [int(line) for line in server.communicate()[0].split()]
    assert 0 < sum(sent) < values.nbytes / 4


def test_a_missing_remote_picture_is_named(served: Served) -> None:
    with pytest.raises(ValueError, match=r"gone\.tif: cannot be read"):
        open_scene(f"/vsicurl/{served[0]}/gone.tif")
