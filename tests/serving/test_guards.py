"""Who is let in: by token, by the page's cookie, from this machine, and from no other site."""

from __future__ import annotations

from pathlib import Path

import pytest

from smalldet.serving.options import ServeOptions
from smalldet.serving.run import read_token
from tests.serving.conftest import Client, form_of, listening, options_for

TOKEN = "0123456789abcdef-token"


def test_without_the_token_nothing_is_told(tmp_path: Path, save_squares) -> None:
    path, _, _ = save_squares()
    with listening(options_for(tmp_path), token=TOKEN) as client:
        for answer in (
            client.get("/model"),
            client.get("/jobs"),
            client.get("/metrics"),
            client.get("/openapi.json"),
            client.post("/predict", path),
            client.ask("GET", "/model", headers={"Authorization": f"Bearer {TOKEN}x"}),
            client.ask("GET", "/model", headers={"Authorization": TOKEN}),
            client.ask("GET", "/model", headers={"Cookie": "smalldet=00"}),
            client.ask("GET", "//model"),
        ):
            assert answer.status in (401, 404), answer
        assert client.get("/model").headers["www-authenticate"] == "Bearer"
        for path in ("/health", "/", "/static/main.js"):
            assert client.get(path).status == 200
        let_in = client.ask("GET", "/model", headers={"Authorization": f"bearer {TOKEN}"})
        assert let_in.status == 200


def test_the_page_changes_the_token_for_a_cookie(tmp_path: Path) -> None:
    with listening(options_for(tmp_path), token=TOKEN) as client:
        assert client.post("/login", form={"token": "wrong"}).status == 401
        answer = client.post("/login", form={"token": TOKEN})
        cookie = answer.headers["set-cookie"]
        assert answer.status == 204 and "HttpOnly" in cookie and "SameSite=strict" in cookie
        assert TOKEN not in cookie
        kept = cookie.partition(";")[0]
        assert client.ask("GET", "/model", headers={"Cookie": kept}).status == 200
    with listening(options_for(tmp_path), token=TOKEN + "2") as client:  # another token ends it
        assert client.ask("GET", "/model", headers={"Cookie": kept}).status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:80"}, 421),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:1"}, 200),
    ],
)
def test_other_names_of_this_machine_are_refused(client: Client, headers, status: int) -> None:
    """A page of another site may point its own name at this machine."""
    assert client.ask("GET", "/health", headers=headers).status == status


@pytest.mark.parametrize(
    ("headers", "let_in"),
    [
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://whatever"}, True),
        ({}, True),
    ],
)
def test_pages_of_other_sites_cannot_send(client: Client, save_squares, headers, let_in) -> None:
    path, _, _ = save_squares()
    body, kind = form_of({}, "a.png", path.read_bytes())
    answer = client.ask("POST", "/jobs", body, {"Content-Type": kind, **headers})
    assert answer.status == (202 if let_in else 403)
    own = {"Origin": f"http://127.0.0.1:{client.port}", "Content-Type": kind}
    assert client.ask("POST", "/jobs", body, own).status == 202
    assert "access-control-allow-origin" not in answer.headers


def test_every_answer_has_a_strict_policy(client: Client) -> None:
    for path in ("/", "/static/main.js", "/nowhere", "/static/../app.py", "/tile/0/0/0"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers
        assert answer.status in (200, 404, 422)
    assert b"<script>" not in client.get("/").body and b"style=" not in client.get("/").body
    assert client.get("/static/%2e%2e/app.py").status == 404


def test_others_need_a_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    for host in ("0.0.0.0", "::", "192.168.1.2", "example.org", "127.example.org"):
        with pytest.raises(ValueError, match="--token-file"):
            read_token(ServeOptions(host=host))
        file.write_text("short\n")
        with pytest.raises(ValueError, match="at least 16"):
            read_token(ServeOptions(host=host, token_file=file))
        file.write_text(f"{TOKEN}\n")
        assert read_token(ServeOptions(host=host, token_file=file)) == TOKEN
    for host in ("127.0.0.1", "127.0.0.5", "::1", "localhost"):
        assert read_token(ServeOptions(host=host)) is None
