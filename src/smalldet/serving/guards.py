"""Guards before every request: who may ask, from where, how much, and how slowly."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

from starlette.types import ASGIApp, Receive, Scope, Send

from smalldet.serving.bodies import Answer, Body, BodyLimits, Headers
from smalldet.serving.refusals import Refusal

COOKIE = "smalldet"
OPEN_TO_ALL = frozenset(("/", "/health", "/login"))
STATIC = "/static/"
READING = frozenset(("GET", "HEAD", "OPTIONS"))
METHODS = READING | {"POST", "DELETE"}
LOCAL_HOSTS = frozenset(("127.0.0.1", "localhost", "[::1]", "::1"))

MAX_HEADER_BYTES = 16 << 10

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
        self._limits = BodyLimits(max_bytes, body_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = Answer(send)
        started_s = time.monotonic()
        body = Body(receive, self._limits, answer)
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
            try:
                await self._app(scope, body.receive, answer.send)
            except Exception:
                if answer.refusal is None:  # else it is that the body ends too early
                    raise
            if not answer.has_begun and answer.refusal is not None:
                await answer.refuse()
        finally:
            body.release()
            route = getattr(scope.get("route"), "path", "other")
            # clients may name any method, and each would be counted for itself
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._observe(method, route, answer.status, time.monotonic() - started_s)


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
