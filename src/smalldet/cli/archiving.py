"""Predict with --ray: an archive on many workers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from smalldet.archives.options import ArchiveOptions
from smalldet.cli.parameters import parameter_name
from smalldet.cli.printing import complain, note, progress_bar, say
from smalldet.config.imagery import ImageryOptions
from smalldet.extras import check_installed
from smalldet.inference.options import MapOptions, PredictOptions

NEEDED = ("ray", "pyarrow")
ONE_FILE = ("format", "ids", "count_in", "counts")
"""Options of results that an archive's folder does not have."""


def predict_on_ray(
    sources: Sequence[str],
    out: str,
    *,
    model: str,
    class_names: str | None,
    network: str | None,
    backend: str,
    device: str,
    options: PredictOptions,
    imagery: ImageryOptions,
    maps: MapOptions,
    archive: ArchiveOptions,
) -> None:
    """What `smalldet predict --ray` does; see `predict_archive`."""
    check_installed("--ray", NEEDED, "ray")
    for name in ONE_FILE:
        if getattr(maps, name) is not None:
            raise ValueError(
                f"--{parameter_name(name)} does not go with --ray, which writes a folder of "
                "GeoParquet"
            )
    if Path(out).suffix and not Path(out).is_dir():
        raise ValueError(f"{out}: --ray writes a folder; name one without a suffix")
    from smalldet.archives.model_files import PackedModel
    from smalldet.archives.predict_archive import ArchiveListener, predict_archive

    if backend == "auto":
        backend = os.environ.get("SMALLDET_BACKEND") or backend
    packed = PackedModel.of(model, class_names, network, backend)
    with progress_bar() as advance:
        listener = ArchiveListener(
            on_progress=lambda done, total: advance(round(done, 2), total, "scenes"),
            on_failure=lambda failure: complain(failure.why),
            on_remark=note,
        )
        outcome = predict_archive(
            packed,
            sources,
            out,
            options,
            device=device,
            maps=maps,
            imagery=imagery,
            archive=archive,
            listener=listener,
        )
    say(f"{outcome.num_scenes} scenes, {outcome.num_objects} objects")
    if outcome.failures:
        say(f"{len(outcome.failures)} scenes failed; the same command tries them again")
    for path in outcome.written:
        say(f"Written: {path}")
    if outcome.exit_code:
        raise SystemExit(outcome.exit_code)
