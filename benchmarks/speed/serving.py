"""`smalldet serve` under load on this machine's own address, strangers among its clients.

    python -m benchmarks.speed.serving [--seconds 120] [--clients 64] [--side 320]

Every client sends one thing after the other: mostly pictures cut from the demo's drawn scene, and
now and then a body that is too large, a picture that is cut short, a PNG or TIFF whose header
claims a giant, a JPEG that is really a list of files, a text, and bodies that stall or end amid.
Told are the times to an answer, the statuses, and the memory of the server over time.
"""

from __future__ import annotations

import http.client
import io
import random
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from cyclopts import run
from PIL import Image

from smalldet.demo.scene import draw_scene

STARTED = re.compile(r"is served at http://127\.0\.0\.1:(\d+)")
MARK = "0123456789abcdef"
FORM = {"Content-Type": f"multipart/form-data; boundary={MARK}"}
ROGUE_SHARE = 0.15
STALLS_S = 3.0
EXPECTED = {
    "picture": {200},
    "too large": {413},
    "cut short": {422},
    "PNG bomb": {413, 422},
    "TIFF bomb": {413},
    "list of files": {422},
    "text": {415},
    "path": {404},
    "stalls": {408, 0},
    "leaves": {0},
}
"""Statuses that each kind may be answered with; 0 where the client itself went away."""


@dataclass
class Tally:
    """What clients saw."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    failures: Counter[str] = field(default_factory=Counter)


def main(
    *, seconds: float = 120, clients: int = 64, side: int = 320, model: str = "speck-n-aerial"
) -> None:
    """Print what became of every kind of request, and the server's memory."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        things = things_to_send(folder, side)
        server = subprocess.Popen(
            [
                sys.executable, "-m", "smalldet.cli", "serve", "--model", model, "--port", "0",
                "--jobs-dir", str(folder / "jobs"), "--max-requests", str(2 * clients),
            ],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            port = port_of(server)
            tally, memory = Tally(), [rss_mb(server.pid)]
            ends_s = time.monotonic() + seconds
            threads = [
                threading.Thread(target=client, args=(port, things, ends_s, tally, seed))
                for seed in range(clients)
            ]
            for thread in threads:
                thread.start()
            while time.monotonic() < ends_s:
                time.sleep(seconds / 12)
                memory.append(rss_mb(server.pid))
            for thread in threads:
                thread.join()
            report(tally, memory, server, port, seconds)
        finally:
            server.terminate()
            server.wait(timeout=60)


def client(port: int, things: dict[str, bytes], ends_s: float, tally: Tally, seed: int) -> None:
    """Send one thing after the other until the end."""
    chance = random.Random(seed)
    rogues = [*(kind for kind in things if kind != "picture"), "path", "stalls", "leaves"]
    while time.monotonic() < ends_s:
        kind = chance.choice(rogues) if chance.random() < ROGUE_SHARE else "picture"
        began_s = time.monotonic()
        try:
            status = send(port, kind, things)
        except OSError as error:
            tally.failures[f"{kind}: {type(error).__name__}"] += 1
            continue
        tally.seconds[kind].append(time.monotonic() - began_s)
        tally.statuses[kind][status] += 1


def send(port: int, kind: str, things: dict[str, bytes]) -> int:
    """The status of an answer; 0 where the client went away before there was one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=150)
    try:
        if kind == "path":
            connection.request("POST", "/predict?name=../../etc/passwd")
        elif kind in ("stalls", "leaves"):
            body = things["picture"]
            connection.putrequest("POST", "/predict")
            for name, value in {**FORM, "Content-Length": str(len(body))}.items():
                connection.putheader(name, value)
            connection.endheaders(body[: len(body) // 2])
            time.sleep(STALLS_S if kind == "stalls" else 0)
            return 0
        else:
            connection.request("POST", "/predict", things[kind], FORM)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def things_to_send(folder: Path, side: int) -> dict[str, bytes]:
    """Bodies by kind."""
    truth = draw_scene(folder / "drawn.tif", width=1600, height=1200, seed=0)
    with rasterio.open(truth.records[0].path) as file:
        drawn = np.moveaxis(file.read(), 0, 2)
    content = io.BytesIO()
    x, y = drawn.shape[1] // 2 - side // 2, drawn.shape[0] // 2 - side // 2
    Image.fromarray(drawn[y : y + side, x : x + side, :3]).save(content, "JPEG", quality=92)
    picture = content.getvalue()
    place: dict[str, Any] = {"crs": "EPSG:32633", "transform": rasterio.Affine(1, 0, 9, 0, -1, 9)}
    shape = {"width": 20_000, "height": 20_000, "count": 3, "dtype": "uint8"}
    options = {"driver": "GTiff", "compress": "DEFLATE", "tiled": True, "SPARSE_OK": False}
    with rasterio.open(folder / "bomb.tif", "w", **options, **shape, **place):
        pass
    listed = (
        '<VRTDataset rasterXSize="9" rasterYSize="9"><VRTRasterBand dataType="Byte" band="1">'
        "<SimpleSource><SourceFilename>/etc/hostname</SourceFilename></SimpleSource>"
        "</VRTRasterBand></VRTDataset>"
    )
    return {
        "picture": body_of(picture),
        "too large": body_of(bytes(70_000_000)),
        "cut short": body_of(picture[: len(picture) // 2]),
        "PNG bomb": body_of(png_bomb()),
        "TIFF bomb": body_of((folder / "bomb.tif").read_bytes()),
        "list of files": body_of(b"\xff\xd8\xff\xfe\x21\x21" + listed.encode()),
        "text": body_of(b"hello"),
    }


def body_of(content: bytes) -> bytes:
    """A form with a file."""
    head = f'--{MARK}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    return head.encode() + content + f"\r\n--{MARK}--\r\n".encode()


def png_bomb(side: int = 60_000) -> bytes:
    """A small PNG of very many black pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(16 << 20))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*one) for one in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def port_of(server: subprocess.Popen[str]) -> int:
    """The port, when the server listens."""
    assert server.stdout is not None
    for line in server.stdout:
        if found := STARTED.search(line):
            port = int(found[1])
            break
    else:
        raise SystemExit("the server has not started")
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/health")
        if connection.getresponse().status == 200:
            return port


def rss_mb(pid: int) -> float:
    """Memory of a process, megabytes."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) / 1024


def report(
    tally: Tally, memory: list[float], server: subprocess.Popen[str], port: int, seconds: float
) -> None:
    print("| kind | answers | statuses | p50 ms | p99 ms |")
    print("|---|---:|---|---:|---:|")
    wrong = 0
    for kind, times in sorted(tally.seconds.items(), key=lambda one: -len(one[1])):
        statuses = tally.statuses[kind]
        wrong += sum(n for status, n in statuses.items() if status not in EXPECTED[kind])
        told = ", ".join(f"{n} x {status}" for status, n in sorted(statuses.items()))
        p50, p99 = 1e3 * np.percentile(times, [50, 99])
        print(f"| {kind} | {len(times)} | {told} | {p50:.0f} | {p99:.0f} |")
    pictures = tally.statuses["picture"][200]
    print(f"\n{pictures / seconds:.1f} pictures a second; {wrong} answers that should not be")
    print(f"connections that failed: {dict(tally.failures)}")
    print(f"memory over time, MB: {', '.join(f'{one:.0f}' for one in memory)}")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[:1] not in ("#", ""))
    tiles, batches = (
        float(values[f"smalldet_{name}"]) for name in ("tiles_total", "batch_tiles_count")
    )
    print(f"{tiles:.0f} tiles in {batches:.0f} batches; alive at the end: {server.poll() is None}")


if __name__ == "__main__":
    run(main)
