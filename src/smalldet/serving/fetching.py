"""Pictures by URL, from named hosts alone, without redirects and within limits."""

from __future__ import annotations

import http.client
import time
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from smalldet.serving.refusals import Refusal

CONNECT_S = 10.0
CHUNK = 1 << 16


def fetch(url: str, hosts: Collection[str], to: Path, max_bytes: int, deadline_s: float) -> str:
    """Fetch a picture into a file.

    Args:
        url: http or https.
        hosts: those that may be asked, in small letters, `host` or `host:port`.
        to: the file.
        max_bytes: most bytes.
        deadline_s: of `time.monotonic`.

    Returns:
        the picture's name.

    Raises:
        Refusal: the host may not be asked, gives no picture, or too much, or too late.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise Refusal(422, "url: cannot be read") from error
    named = host if port is None else f"{host}:{port}"
    if parts.scheme not in ("http", "https") or parts.username or named not in hosts:
        raise Refusal(403, "url: this service fetches nothing from there; send the picture instead")
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    connection = kinds[parts.scheme](host, port, timeout=CONNECT_S)
    target = parts.path or "/"
    try:
        connection.request("GET", f"{target}?{parts.query}" if parts.query else target)
        answer = connection.getresponse()
        if answer.status != http.client.OK:  # a redirect may lead to any host
            raise Refusal(502, f"url: {named} answers {answer.status}")
        _save(answer, to, max_bytes, deadline_s)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refusal(502, f"url: {named} gives no picture") from error
    finally:
        connection.close()
    return PurePosixPath(unquote(parts.path)).name


def _save(answer: http.client.HTTPResponse, to: Path, max_bytes: int, deadline_s: float) -> None:
    num_bytes = 0
    with to.open("wb") as file:
        while chunk := answer.read1(CHUNK):
            num_bytes += len(chunk)
            if num_bytes > max_bytes:
                raise Refusal(413, f"url: more than {max_bytes / 1e6:g} MB")
            if time.monotonic() > deadline_s:
                raise Refusal(504, "url: takes too long")
            file.write(chunk)
