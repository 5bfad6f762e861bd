"""A real browser for tests: Chromium by its driver, over the WebDriver protocol.

Specification: https://www.w3.org/TR/webdriver2/. What is run by it is not held to a page's
content security policy; what the page runs itself is.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError, URLError

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
DRIVER = shutil.which("chromedriver")
WAIT_S = 120.0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Browser:
    """A window of Chromium; a context manager."""

    def __init__(self, profile: Path, width: int = 1400, height: int = 900) -> None:
        assert DRIVER is not None and CHROMIUM is not None
        self._port = free_port()
        self._driver = subprocess.Popen(
            [DRIVER, f"--port={self._port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        options = {
            "binary": CHROMIUM,
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                f"--window-size={width},{height}", f"--user-data-dir={profile}",
            ],
        }  # fmt: skip
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self._session = ""
        value = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{value['sessionId']}"
        self._ask("POST", "/timeouts", {"script": int(1000 * WAIT_S)})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._ask("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait(timeout=30)

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    def run(self, script: str, *values: object) -> Any:
        """What the body of a function gives, whose arguments are `values`."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": [*values]})

    def run_async(self, script: str, *values: object) -> Any:
        """What it gives to its last argument, a function."""
        return self._ask("POST", "/execute/async", {"script": script, "args": [*values]})

    def until(self, script: str, *values: object) -> Any:
        """What it gives as soon as that is true."""
        ends_s = time.monotonic() + WAIT_S
        while not (value := self.run(script, *values)):
            assert time.monotonic() < ends_s, (script, self.complaints())
            time.sleep(0.1)
        return value

    def act(self, *steps: dict[str, Any]) -> None:
        """Move and press the mouse; steps as in the protocol."""
        mouse = {"type": "pointer", "id": "mouse", "actions": [*steps]}
        self._ask("POST", "/actions", {"actions": [mouse]})

    def click_at(self, x: float, y: float, times: int = 1) -> None:
        """Click at a point of the window."""
        down, up = ({"type": f"pointer{way}", "button": 0} for way in ("Down", "Up"))
        move = {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0}
        self.act(move, *([down, up] * times))

    def press(self, selector: str) -> None:
        """Click at the middle of an element."""
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        self._ask("POST", f"/element/{next(iter(found.values()))}/click", {})

    def send_file(self, selector: str, path: Path) -> None:
        """Choose a file in an input."""
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        self._ask("POST", f"/element/{next(iter(found.values()))}/value", {"text": str(path)})

    def complaints(self) -> list[str]:
        """Errors and warnings of the page, its policy's among them, since the last call."""
        told = self._ask("POST", "/se/log", {"type": "browser"})
        return [one["message"] for one in told if one["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        url = f"http://127.0.0.1:{self._port}{self._session}{path}"
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(url, data, method=method)
        ends_s = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(request, timeout=WAIT_S + 10) as answer:
                    return json.loads(answer.read())["value"]
            except HTTPError as error:
                raise AssertionError(error.read().decode()) from error
            except URLError:  # the driver is not there yet
                if self._session or time.monotonic() > ends_s:
                    raise
                time.sleep(0.1)
