"""What strangers send: paths that lead out, broken pictures, bombs, too much, too slowly."""

from __future__ import annotations

import socket
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from smalldet.serving import bodies, slow_clients
from smalldet.serving.data_folder import DataFolder
from smalldet.serving.refusals import Refusal, public_text
from tests.serving.conftest import Client, form_of, listening, options_for

VRT = """<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="Byte" band="1">
<SimpleSource><SourceFilename relativeToVRT="0">{}</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""


def no_path_in(answer, tmp_path: Path) -> bool:
    text = answer.body.decode(errors="replace")
    return str(tmp_path) not in text and "Traceback" not in text


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png", "in/../../secret.png", "/etc/passwd", "..\\secret.png", "", ".", "a\0.png",
        "link.png", "linked/secret.png", ".hidden.png", ".in/a.png", "notes.txt", "in", "x" * 999,
        "ring.png", "a.png/", "//a.png", "./a.png", "%2e%2e/secret.png", "list.vrt",
    ],
)  # fmt: skip
def test_names_never_lead_out_of_the_folder(
    client: Client, tmp_path: Path, data_dir: Path, save_squares, name: str
) -> None:
    path, _, _ = save_squares("a.png")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(path.read_bytes())
    (tmp_path / "secret.png").write_bytes(path.read_bytes())
    (data_dir / "in").mkdir()
    (data_dir / ".in").mkdir()
    (data_dir / "notes.txt").write_text("x")
    (data_dir / "list.vrt").write_text(VRT.format(tmp_path / "secret.png"))
    for hidden in (data_dir / ".hidden.png", data_dir / ".in/a.png"):
        hidden.write_bytes(path.read_bytes())
    (data_dir / "link.png").symlink_to(tmp_path / "secret.png")
    (data_dir / "linked").symlink_to(outside)
    (data_dir / "ring.png").symlink_to(data_dir / "ring.png")
    assert client.get("/scenes").json["names"] == ["a.png"]
    for answer in (
        client.post("/predict", name=name),
        client.post("/jobs", name=name),
        client.get("/scene", name=name),
        client.get("/tile/0/0/0", name=name),
    ):
        assert answer.status == 404 and no_path_in(answer, tmp_path), answer.body


def test_a_link_within_the_folder_is_followed(client: Client, data_dir: Path, save_squares) -> None:
    path, _truth, _ = save_squares("a.png")
    (data_dir / "b.png").symlink_to(path)
    assert len(client.post("/predict", name="b.png", overlap_frac=0.4).json["detections"]) == 20


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="./\\~a%\0 -:", max_size=12) | st.text(max_size=12))
def test_no_name_at_all_leads_out(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.getbasetemp() / "root"
    root.mkdir(exist_ok=True)
    folder = DataFolder(root)
    try:
        found = folder.path(name)
    except Refusal:
        return
    assert found.is_relative_to(folder.root)


UNPLACED = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@UNPLACED
def test_a_jpeg_that_is_a_list_of_files_reads_none(
    client: Client, tmp_path: Path, data_dir: Path
) -> None:
    """GDAL takes such a file for a virtual raster, and would read what it names."""
    secret = tmp_path / "secret.tif"
    Image.new("L", (64, 64), 200).save(secret)
    content = b"\xff\xd8\xff\xfe\x21\x21" + VRT.format(secret).encode()
    (data_dir / "a.jpg").write_bytes(content)
    with rasterio.open(data_dir / "a.jpg") as opened:
        assert opened.driver == "VRT"  # guards the guard
    for answer in (
        client.post("/predict", content),
        client.post("/predict", name="a.jpg"),
        client.post("/jobs", content),
        client.get("/tile/0/0/0", name="a.jpg"),
    ):
        assert answer.status == 422 and no_path_in(answer, tmp_path), answer.body


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def packed_tiff(path: Path, side: int) -> bytes:
    shape = {"width": side, "height": side, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", compress="DEFLATE", tiled=True, **shape) as file:
        file.write(np.zeros((3, side, side), np.uint8))
    return path.read_bytes()


@UNPLACED
def test_bombs_are_refused_by_their_headers(client: Client, tmp_path: Path) -> None:
    bombs = [
        png_that_claims(30_000, 30_000),
        png_that_claims(1_000_000, 1_000_000),
        packed_tiff(tmp_path / "a.tif", 3000),
    ]
    for bomb in bombs:
        assert len(bomb) < 1_000_000
        for where in ("/predict", "/jobs"):
            answer = client.post(where, bomb)
            assert answer.status in (413, 422) and no_path_in(answer, tmp_path), answer.body


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "webp", "bmp", "gif"])
def test_broken_pictures_are_answered(client: Client, tmp_path: Path, save_squares, kind) -> None:
    path, _, pixels = save_squares()
    whole = path.with_suffix(f".{kind}")
    Image.fromarray(pixels).save(whole)
    content = whole.read_bytes()
    rng = np.random.default_rng(0)
    for end in (0, 1, 3, 16, len(content) // 2, len(content) - 3):
        answer = client.post("/predict", content[:end])
        assert answer.status in (200, 415, 422) and no_path_in(answer, tmp_path), answer.body
    for _ in range(20):
        damaged = np.frombuffer(content, np.uint8).copy()
        places = rng.integers(0, len(damaged), 8)
        damaged[places] = rng.integers(0, 256, 8)
        answer = client.post("/predict", damaged.tobytes())
        assert answer.status in (200, 413, 415, 422) and no_path_in(answer, tmp_path), answer.body
    assert client.post("/predict", whole).status == 200


def test_what_is_no_picture_is_said(client: Client) -> None:
    answer = client.post("/predict", b"hello")
    assert answer.status == 415 and "tif, jpg, png" in answer.json["detail"]
    assert client.ask("POST", "/predict", b"x", {"Content-Type": "text/plain"}).status == 422
    odd = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.ask("POST", "/predict", b"--y\r\n\0\0", odd).status in (400, 422)


def test_too_large_uploads_are_refused_told_or_not(client: Client) -> None:
    body, kind = form_of({}, "a.png", bytes(3_000_000))
    answer = client.ask("POST", "/predict", body, {"Content-Type": kind})
    assert answer.status == 413 and "1 MB" in answer.json["detail"]
    with socket.create_connection(("127.0.0.1", client.port)) as one:  # in chunks, without a length
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        one.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for start in range(0, len(body), 1 << 16):
            part = body[start : start + (1 << 16)]
            one.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        one.sendall(b"0\r\n\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 413")
    assert client.get("/health").status == 200


def test_not_too_many_bodies_are_held_at_a_time(
    client: Client, save_squares, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _, _ = save_squares()
    monkeypatch.setattr(bodies, "MAX_LARGE_BODIES", 0)
    answer = client.post("/predict", path)
    assert answer.status == 503 and "being sent" in answer.json["detail"]
    monkeypatch.undo()
    assert client.post("/predict", path).status == 200  # what was held is given back


def closed_within(one: socket.socket, seconds: float) -> bytes:
    """What came until the other side closed."""
    one.settimeout(seconds)
    told = b""
    while part := one.recv(4096):
        told += part
    return told


def test_slow_clients_are_let_go(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "HEADERS_S", 0.3)
    monkeypatch.setattr(bodies, "IDLE_S", 0.3)
    address = ("127.0.0.1", client.port)
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
    with socket.create_connection(address) as one:  # nothing at all
        assert closed_within(one, 10) == b""
    with socket.create_connection(address) as one:  # half a header
        one.sendall(head)
        assert closed_within(one, 10) == b""
    with socket.create_connection(address) as one:  # half a body
        one.sendall(head + b"boundary=x\r\nContent-Length: 1000\r\n\r\n--x\r\n")
        assert closed_within(one, 10).startswith(b"HTTP/1.1 408")
    with socket.create_connection(address) as one:  # a second request that never ends
        one.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.1)
        one.sendall(b"GET /hea")
        assert closed_within(one, 10).count(b"HTTP/1.1") == 1


def test_large_headers_are_refused(client: Client) -> None:
    answer = client.ask("GET", "/health", headers={"X-A": "a" * 100_000})
    assert answer.status == 431


def test_errors_of_the_service_tell_nothing(tmp_path: Path, save_squares, caplog) -> None:
    class Broken:
        """A model that fails with a path in its words."""

        def __getattr__(self, name: str) -> object:
            from tests.inference.conftest import SquareFinder

            return getattr(SquareFinder(), name)

        def detect(self, *_: object) -> list:
            raise RuntimeError(f"{tmp_path}/weights: out of memory")

    path, _, _ = save_squares()
    with listening(options_for(tmp_path), Broken()) as client:
        answer = client.post("/predict", path)
        assert answer.status == 500 and no_path_in(answer, tmp_path)
        job = client.finished(client.post("/jobs", path).json["id"])
        assert job["state"] == "failed" and str(tmp_path) not in str(job)
        assert client.get("/health").status == 200


@given(st.text(alphabet="ab/.:\\ '\"", max_size=40))
def test_public_texts_hold_no_absolute_path(text: str) -> None:
    made = public_text(f"{text} /srv/data/a b.png: is damaged", {"/srv/data/a b.png": "a b.png"})
    assert "/srv" not in made and made.endswith("a b.png: is damaged")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/home/me/x.tif: cut", "(path): cut"),
        ("see '/home/me/x.tif' and C:\\Users\\me", "see '(path)' and (path)"),
        ("3 m/px of in/a.png", "3 m/px of in/a.png"),
        ("IO error: /vsimem/../etc, x", "IO error: (path), x"),
    ],
)
def test_paths_are_taken_out_of_texts(text: str, wanted: str) -> None:
    assert public_text(text) == wanted
