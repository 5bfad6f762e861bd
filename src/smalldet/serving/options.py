"""Options of the service as values: described, checked, and without torch or FastAPI."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, field_validator

from smalldet.config.base import Frozen


class ServeOptions(Frozen):
    """Where the service listens, what it may read, and how much it takes on."""

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on; any but this machine's own needs --token-file.",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port; 0 takes any that is free.")
    token_file: Path | None = Field(
        default=None,
        description="File with the token that clients must send: at least 16 letters and digits.",
    )
    data_dir: Path | None = Field(
        default=None, description="Folder whose pictures clients may name; nothing outside it."
    )
    truth: Path | None = Field(
        default=None,
        description="Labels of pictures in the data folder, in any known format, to show errors.",
    )
    jobs_dir: Path | None = Field(
        default=None,
        description="Folder for jobs and their results; in the user's cache if not given.",
    )
    url_hosts: tuple[str, ...] = Field(
        default=(),
        description="Hosts from which pictures may be fetched by URL; none if none is named.",
    )
    max_upload_mb: float = Field(
        default=64, gt=0, description="Most megabytes of a picture that is sent."
    )
    max_picture_mp: float = Field(
        default=25,
        gt=0,
        description="Most megapixels of a picture that is answered at once; larger ones are jobs.",
    )
    max_scene_mp: float = Field(default=10_000, gt=0, description="Most megapixels of a job.")
    max_decoded_mp: float = Field(
        default=100,
        gt=0,
        le=170,
        description="Most megapixels of a picture whose format has to be decoded whole, as JPEG "
        "and PNG.",
    )
    max_requests: int = Field(
        default=128, ge=1, description="Pictures that are predicted or wait for it, at most."
    )
    max_jobs: int = Field(default=1, ge=1, description="Jobs that run at a time.")
    max_waiting_jobs: int = Field(default=32, ge=0, description="Jobs that wait, at most.")
    keep_jobs: int = Field(
        default=100, ge=1, description="Jobs that are kept when they are over; the newest."
    )
    timeout_s: float = Field(
        default=120, gt=0, description="Seconds in which a picture is answered, else refused."
    )
    job_timeout_s: float = Field(
        default=86_400, gt=0, description="Seconds that a job may run before it is ended."
    )

    @field_validator("url_hosts")
    @classmethod
    def _small(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(host.lower() for host in hosts)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:  # a name
            return self.host == "localhost"
