"""Options of a prediction over an archive as values: described, checked, and without torch."""

from __future__ import annotations

from pydantic import Field

from smalldet.config.base import Frozen


class ArchiveOptions(Frozen):
    """On which workers an archive is predicted, and in which pieces."""

    workers: str | None = Field(
        default=None,
        description="Ray cluster to work on, e.g. ray://head:10001, or auto for the one that this "
        "machine belongs to. Without it Ray is started on this machine. Implies --ray.",
    )
    num_workers: int | None = Field(
        default=None,
        ge=1,
        description="Workers at most; if not given as many as there is room for, on a cluster also "
        "what joins it later.",
    )
    worker_cpus: int | None = Field(
        default=None,
        ge=1,
        description="Cores of a worker; if not given 1, or a GPU's share of its cluster's cores.",
    )
    scenes_per_file: int = Field(
        default=256, ge=1, description="Scenes at most that are handed out, and written, together."
    )
    tiles_per_part: int = Field(
        default=1024,
        ge=1,
        description="Tiles that are handed out together: a larger scene goes in parts to several "
        "workers.",
    )
    asset: str | None = Field(
        default=None,
        description="Key of the asset of STAC items to read, e.g. visual; if not given the one "
        "whose key or role says that it is the picture.",
    )
