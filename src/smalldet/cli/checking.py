"""The verb that tells what is wrong with a labelled set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from smalldet.cli.parameters import NO_OPTIONS, DataClasses, Options, label_source
from smalldet.cli.printing import progress_bar, say, say_finding


def check(
    source: Annotated[
        Path,
        Parameter(
            name=("--source", "--data"),
            help="Labels in any known format: a data.yaml, a COCO json, a folder, ...",
        ),
    ],
    *,
    labels: Options = NO_OPTIONS,
    data_classes: DataClasses = None,
    report: Annotated[
        Path | None, Parameter(help="A page with pictures of what was found, such as check.html.")
    ] = None,
    json: Annotated[Path | None, Parameter(help="A file of all findings for programs.")] = None,
) -> None:
    """Tell what is wrong with labelled pictures before training. Exits with 1 if they cannot be."""
    from smalldet.atomic_write import write_text
    from smalldet.checking.check import check as run_check
    from smalldet.checking.check_json import check_json
    from smalldet.checking.check_page import check_page

    for file in (report, json):
        if file is not None and file.is_dir():
            raise ValueError(f"{file}: is a folder; name a file in it")
    with progress_bar() as advance:
        found = run_check(
            label_source(source, labels, data_classes),
            on_progress=lambda done, total: advance(done, total, "pictures"),
        )
    for finding in found.findings:
        say_finding(finding.severity.value, finding.line())
    say(f"{found.summary()}.")
    if report is not None:
        write_text(report, check_page(found))
        say(f"Written: {report}")
    if json is not None:
        write_text(json, check_json(found))
        say(f"Written: {json}")
    if not found.may_train:
        sys.exit(1)
