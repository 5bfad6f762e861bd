"""Bodies and answers of requests within limits: how much, how slowly, how many at a time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.types import Message, Receive, Send

from smalldet.serving.refusals import Refusal

SLACK_BYTES = 1 << 20
"""Of a form, besides the picture."""
MAX_LARGE_BODIES = 16
"""Bodies of the largest size that may be on their way at a time; they lie on the disk."""
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


@dataclass
class BodyLimits:
    """What bodies may take.

    Args:
        max_bytes: of a picture in a body.
        seconds: in which a body must have come.
        num_held: bytes of all bodies of requests that are not over.
    """

    max_bytes: int
    seconds: float
    num_held: int = 0

    @property
    def is_full(self) -> bool:
        return self.num_held > MAX_LARGE_BODIES * (self.max_bytes + SLACK_BYTES)


class Answer:
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


class Body:
    """Receives a body within limits."""

    def __init__(self, receive: Receive, limits: BodyLimits, answer: Answer) -> None:
        self._receive, self._limits, self._answer = receive, limits, answer
        self._deadline_s = time.monotonic() + limits.seconds
        self._num_bytes, self._is_whole = 0, False

    def check_length(self, headers: Headers) -> None:
        """By what the client says of it; raises Refusal."""
        told = headers.get(b"content-length", b"0")
        if told.isdigit() and int(told) > self._limits.max_bytes + SLACK_BYTES:
            raise self._too_large()

    async def receive(self) -> Message:
        if self._is_whole:  # what comes now is that the client went away
            return await self._receive()
        left_s = min(IDLE_S, self._deadline_s - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), max(left_s, 0))
        except TimeoutError:
            return self._end(Refusal(408, "the request came too slowly"))
        size = len(message.get("body", b""))
        self._num_bytes += size
        self._limits.num_held += size
        self._is_whole = not message.get("more_body", False)
        if self._num_bytes > self._limits.max_bytes + SLACK_BYTES:
            await self.drain()
            return self._end(self._too_large())
        if size and self._limits.is_full:
            return self._end(Refusal(503, "too many pictures are being sent; try again later"))
        return message

    def release(self) -> None:
        """The request is over."""
        self._limits.num_held -= self._num_bytes

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
        return Refusal(
            413, f"more than {self._limits.max_bytes / 1e6:g} MB; this service takes no more"
        )
