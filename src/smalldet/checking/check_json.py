"""What a check found as JSON, for programs."""

from __future__ import annotations

import json

from smalldet.checking.check import CheckReport
from smalldet.checking.findings import Example, Finding


def check_json(report: CheckReport) -> str:
    """`source`, `may_train`, `splits` with their counts, `classes`, and `findings` worst first."""
    labelled = report.labelled
    content = {
        "source": str(report.source),
        "may_train": report.may_train,
        "splits": {
            name: {"pictures": len(index), "objects": index.counts()}
            for name, index in labelled.splits.items()
        },
        "classes": list(labelled.class_names),
        "findings": [_finding(one) for one in report.findings],
    }
    return json.dumps(content, indent=1) + "\n"


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check,
        "severity": finding.severity.value,
        "count": finding.count,
        "text": finding.text,
        "todo": finding.todo,
        "examples": [_example(one) for one in finding.examples],
    }


def _example(example: Example) -> dict[str, object]:
    return {
        "picture": str(example.picture),
        "other": None if example.other is None else str(example.other),
        "boxes_xyxy": [list(box) for box in example.boxes],
        "rboxes": [list(rbox) for rbox in example.rboxes],
        "caption": example.caption,
    }
