"""Running the service: the token, the socket, and the end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from smalldet.serving.app import make_app
from smalldet.serving.guards import MAX_HEADER_BYTES
from smalldet.serving.options import ServeOptions
from smalldet.serving.service import Service
from smalldet.serving.slow_clients import TimedProtocol
from smalldet.tile_models import TileModel

MIN_TOKEN = 16
MAX_CONNECTIONS = 512
BACKLOG = 128
KEEP_ALIVE_S, GRACE_S = 15, 5


def serve(
    open_model: Callable[[], TileModel],
    model_name: str,
    options: ServeOptions,
    say: Callable[[str], None],
) -> None:
    """Serve a model until the process is told to stop.

    Args:
        open_model: gives the model; called when token and port are known to be right.
        model_name: what people call it.
        options: where, what and how much.
        say: told the address when it listens.

    Raises:
        ValueError: other machines can reach the service and there is no token.
        OSError: the port is taken, or a file or folder cannot be read.
    """
    token = read_token(options)
    listening = listening_socket(options)
    try:
        service = Service(open_model(), model_name, options)
    except BaseException:
        listening.close()
        raise
    host = f"[{options.host}]" if ":" in options.host else options.host
    say(f"{model_name} is served at http://{host}:{listening.getsockname()[1]}")
    server_of(service, token).run(sockets=[listening])


def server_of(service: Service, token: str | None) -> uvicorn.Server:
    """A server with limits on headers, connections and their slowness."""
    config = uvicorn.Config(
        make_app(service, token),
        http=TimedProtocol,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    return uvicorn.Server(config)


def read_token(options: ServeOptions) -> str | None:
    """The token that clients must send.

    Raises:
        ValueError: it is too short, or lacking where other machines can reach the service.
        OSError: the file cannot be read.
    """
    if options.token_file is None:
        if options.on_loopback:
            return None
        raise ValueError(
            f"--host {options.host} can be reached by others: name a file with a token by "
            "--token-file, for example one written by `openssl rand -hex 24 > token`"
        )
    token = Path(options.token_file).read_text(encoding="utf-8").strip()
    if len(token) < MIN_TOKEN or not token.isascii() or any(c.isspace() for c in token):
        raise ValueError(
            f"{options.token_file}: a token is at least {MIN_TOKEN} letters and digits without "
            "blanks; write one by `openssl rand -hex 24`"
        )
    return token


def listening_socket(options: ServeOptions) -> socket.socket:
    """Raises OSError where the port is taken or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((options.host, options.port))
    except OSError as error:
        listening.close()
        reason = error.strerror or error
        raise OSError(
            f"{options.host}:{options.port}: cannot be listened on: {reason}; --port names another"
        ) from error
    listening.listen(BACKLOG)
    listening.set_inheritable(True)
    return listening
