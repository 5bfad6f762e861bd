"""Guards before every request: who may ask, from where, how much, and how slowly."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smalldet.serving.refusals import Refusal

COOKIE = "smalldet"
OPEN_TO_ALL = frozenset(("/", "/health", "/login"))
STATIC = "/static/"
READING = frozenset(("GET", "HEAD", "OPTIONS"))
LOCAL_HOSTS = frozenset(("127.0.0.1", "localhost", "[::1]", "::1"))

SLACK_BYTES = 1 << 20
"""Of a form, besides the picture."""
MAX_HEADER_BYTES = 16 << 10
IDLE_S, SEND_S, DRAIN_S = 20.0, 60.0, 3.0
"""Between two parts of a body; to take a part of an answer; to hear out who sends too much."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]

Headers = dict[bytes, bytes]
Observe = Callable[[str, str, int, float], None]
"""Called with method, route, status and seconds of every answer."""


class Door:
    """Who may ask.

    Args:
        token: that clients must have; None lets all in who reach the service.
        local: only this machine is meant to reach it: other names for it are refused, so that no
            page of another site can take one for its own.
    """

    def __init__(self, token: str | None, local: bool) -> None:
        self._token, self._local = token, local
        key = (token or "").encode()
        self.cookie = hmac.new(key, b"smalldet page", hashlib.sha256).hexdigest()

    def is_token(self, given: str) -> bool:
        """Whether it is the token; takes as long whatever is given."""
        return self._token is not None and _same(given, self._token)

    def check(self, method: str, path: str, headers: Headers) -> None:
        """Raises Refusal where the request is not let in."""
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._local and _without_port(host) not in LOCAL_HOSTS:
            raise Refusal(421, "this service answers to this machine's own names alone")
        if method not in READING and not _same_site(headers, host):
            raise Refusal(403, "this service takes nothing from pages of other sites")
        if path in OPEN_TO_ALL or path.startswith(STATIC) or self._token is None:
            return
        kind, _, given = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if kind.lower() == "bearer" and self.is_token(given.strip()):
            return
        if _same(_cookie(headers), self.cookie):
            return
        raise Refusal(401, "the token is missing or wrong: send `Authorization: Bearer TOKEN`")


class Guards:
    """ASGI middleware: the door, limits on bodies and on slowness, headers, and counting.

    Args:
        app: what is guarded.
        door: who may ask.
        max_bytes: of a picture in a body.
        body_s: seconds in which a body must have come.
        observe: told of every answer.
    """

    def __init__(
        self, app: ASGIApp, door: Door, max_bytes: int, body_s: float, observe: Observe
    ) -> None:
        self._app, self._door, self._observe = app, door, observe
        self._max_bytes, self._body_s = max_bytes, body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        started_s = time.monotonic()
        body = _Body(receive, self._max_bytes, started_s + self._body_s, answer)
        headers: Headers = dict(scope["headers"])
        try:
            _check_headers(scope)
            self._door.check(scope["method"], scope["path"], headers)
            body.check_length(headers)
        except Refusal as refusal:
            answer.refusal = refusal
            await body.drain()
            await answer.refuse()
        else:
            await self._app(scope, body.receive, answer.send)
            if not answer.has_begun and answer.refusal is not None:
                await answer.refuse()
        route = getattr(scope.get("route"), "path", "other")
        self._observe(scope["method"], route, answer.status, time.monotonic() - started_s)


class _Answer:
    """Sends an answer with our headers, or a refusal in its place."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.refusal: Refusal | None = None
        self.has_begun, self.status = False, 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self.refusal is not None:
                await self.refuse()
                return
            self.has_begun, self.status = True, message["status"]
            message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
        elif self.refusal is not None and self.status == self.refusal.status:
            return  # the rest of what the application would have said
        await asyncio.wait_for(self._send(message), SEND_S)

    async def refuse(self) -> None:
        """Say what is wrong, once, and close the connection: the client may be sending yet."""
        assert self.refusal is not None
        if self.has_begun:
            return
        self.has_begun, self.status = True, self.refusal.status
        content = json.dumps({"detail": self.refusal.text}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
            *HEADERS,
        ]
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        start: MutableMapping[str, Any] = {"type": "http.response.start", "status": self.status}
        await asyncio.wait_for(self._send({**start, "headers": headers}), SEND_S)
        await asyncio.wait_for(self._send({"type": "http.response.body", "body": content}), SEND_S)


class _Body:
    """Receives a body within limits."""

    def __init__(
        self, receive: Receive, max_bytes: int, deadline_s: float, answer: _Answer
    ) -> None:
        self._receive, self._answer = receive, answer
        self._max_bytes, self._deadline_s = max_bytes, deadline_s
        self._num_bytes, self._is_whole = 0, False

    def check_length(self, headers: Headers) -> None:
        """By what the client says of it; raises Refusal."""
        told = headers.get(b"content-length", b"0")
        if told.isdigit() and int(told) > self._max_bytes + SLACK_BYTES:
            raise self._too_large()

    async def receive(self) -> Message:
        if self._is_whole:  # what comes now is that the client went away
            return await self._receive()
        left_s = min(IDLE_S, self._deadline_s - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), max(left_s, 0))
        except TimeoutError:
            return self._end(Refusal(408, "the request came too slowly"))
        self._num_bytes += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._num_bytes > self._max_bytes + SLACK_BYTES:
            await self.drain()
            return self._end(self._too_large())
        return message

    async def drain(self) -> None:
        """Hear a client out for a while: one that is cut off while sending sees no answer."""
        try:
            async with asyncio.timeout(DRAIN_S):
                while not self._is_whole:
                    message = await self._receive()
                    self._is_whole = not message.get("more_body", False)
        except TimeoutError:
            self._is_whole = True

    def _end(self, refusal: Refusal) -> Message:
        self._answer.refusal, self._is_whole = refusal, True
        return {"type": "http.disconnect"}

    def _too_large(self) -> Refusal:
        return Refusal(413, f"more than {self._max_bytes / 1e6:g} MB; this service takes no more")


def _check_headers(scope: Scope) -> None:
    """Those that came in one piece have passed by the server's own limit; raises Refusal."""
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size + len(scope["query_string"]) + len(scope["path"]) > MAX_HEADER_BYTES:
        raise Refusal(431, f"address and headers are more than {MAX_HEADER_BYTES >> 10} KB")


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _same_site(headers: Headers, host: str) -> bool:
    """Whether a request comes from the service's own page, or from no page at all."""
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site in (b"same-origin", b"none")
    origin = headers.get(b"origin")
    if origin is None:
        return True
    return origin.decode("latin-1").lower().partition("://")[2] == host


def _cookie(headers: Headers) -> str:
    try:
        cookies = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""
