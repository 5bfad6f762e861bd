"""Checking a set: what `smalldet check` does, and the quick part that training does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from smalldet.checking.findings import Finding, Severity, counted, worst_first
from smalldet.checking.labelled_set import LabelledSet
from smalldet.checking.looking import look_at_all
from smalldet.checking.reading import pictures_of, read_set
from smalldet.checking.table import CHECKS
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.index import Index


@dataclass(frozen=True, eq=False)
class CheckReport:
    """What was found in a set.

    Attributes:
        source: the labels.
        labelled: the set itself.
        findings: worst first.
    """

    source: Path
    labelled: LabelledSet
    findings: tuple[Finding, ...]

    @property
    def may_train(self) -> bool:
        """False where an error was found."""
        return all(one.severity is not Severity.ERROR for one in self.findings)

    def summary(self) -> str:
        """The verdict in one sentence, without its full stop."""
        counts = {kind: sum(one.severity is kind for one in self.findings) for kind in Severity}
        told = ", ".join(counted(num, kind.value) for kind, num in counts.items() if num)
        verdict = "may" if self.may_train else "may not"
        return f"Training {verdict} go ahead: {told or 'nothing found'}"


def check(
    source: LabelSource, on_progress: Callable[[int, int], None] | None = None
) -> CheckReport:
    """Read all labels and every picture of a set once, and ask every check of the table.

    Args:
        source: the labels, as `read_labels` takes them; all their splits are read.
        on_progress: called with pictures read and all.

    Raises:
        FileNotFoundError, ValueError: there are no labels, or in no known format.
    """
    labelled = read_set(source)
    paths = [record.path for record in labelled.records]
    if any(said.fatal for said in labelled.messages):
        paths += pictures_of(source)  # a damaged one may be why labels cannot be read
    labelled = replace(labelled, looks=look_at_all(paths, on_progress))
    return CheckReport(source.annotations, labelled, _found(labelled, quick=False))


def quick_findings(splits: Mapping[str, Index]) -> tuple[Finding, ...]:
    """What is wrong by the labels alone; no file is opened. Worst first.

    Args:
        splits: {`train`: pictures, `val`: pictures} under the same classes.
    """
    return _found(LabelledSet(splits), quick=True)


def _found(labelled: LabelledSet, quick: bool) -> tuple[Finding, ...]:
    return worst_first(
        [
            replace(finding, check=one.name)
            for one in CHECKS
            if one.quick or not quick
            for finding in one.find(labelled)
        ]
    )
