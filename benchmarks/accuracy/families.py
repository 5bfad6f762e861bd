"""The table of the families: what trains, what loads, how fast, how accurate for equal minutes.

    python -m benchmarks.accuracy.families [--minutes 6] [--rows speck-n yolov5n ...] [--no-train]

Every row is a recipe of smalldet with overrides (`families_rows.py`). It trains on the thermal
drone pictures of `hituav` for the same wall time on one core, in tiles of 320 px, one row after the
other; what has been trained is not trained again, what was stopped goes on. Its last averaged
weights are measured on the validation pictures in tiles of 640 px. The prediction of one tile is
timed on two threads with all rows taking turns. Errors against original implementations are those
that `make parity` wrote to `runs/parity.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, run

from benchmarks.accuracy.families_measured import (
    accuracy,
    course_of,
    detector,
    milliseconds,
    parity,
    tile_of,
    train,
)
from benchmarks.accuracy.families_rows import ROWS, Row
from benchmarks.sets import labelled_set, shared_folder

Words = Parameter(consume_multiple=True)
HEADERS = (
    "family", "start", "M parameters", "ms a tile", "AP", "AP50", "AP 8-16 px",
    "steps", "tiles a second", "loss, first to last", "largest error against the original",
)  # fmt: skip
PARITY_HEADERS = ("model", "compared with", "largest errors")


def main(
    *,
    rows: Annotated[tuple[str, ...], Words] = (),
    minutes: float = 6,
    train_missing: Annotated[bool, Parameter(name="--train", negative="--no-train")] = True,
    pictures: Annotated[int | None, Parameter(help="Of val, evenly spread; default all.")] = None,
    threads: int = 2,
    parity_report: Path = Path("runs/parity.json"),
    shared: Path | None = None,
    out: Path = Path("runs/families"),
) -> None:
    """Train, measure and time the rows, print the table and write it to `families.json`."""
    root = shared_folder(shared).resolve()
    chosen = [row for row in ROWS if not rows or row.name in rows]
    if unknown := set(rows) - {row.name for row in chosen}:
        raise SystemExit(f"no rows {sorted(unknown)}; rows are {[row.name for row in ROWS]}")
    index = labelled_set(root, "hituav", "train")
    truth = labelled_set(root, "hituav", "val").spread(pictures)
    measured: dict[str, dict[str, Any]] = {}
    detectors = {}
    for row in chosen:
        folder = out / row.name
        measured[row.name] = {"name": row.name, "start": row.start}
        if row.trains and train_missing:
            train(row, folder, root, minutes, index)
        if row.trains and (folder / "summary.txt").exists():
            measured[row.name] |= course_of(folder) | {"metrics": accuracy(folder, truth)}
        detectors[row.name] = detector(row, folder, root, index)
        num = sum(weight.numel() for weight in detectors[row.name].parameters())
        measured[row.name] |= {"parameters": num, "parity": parity(row, parity_report)}
    for name, time_ms in milliseconds(detectors, tile_of(truth), threads).items():
        measured[name]["tile_ms"] = time_ms
    settings = {"minutes": minutes, "pictures": len(truth), "threads": threads}
    out.mkdir(parents=True, exist_ok=True)
    content = {**settings, "rows": list(measured.values())}
    (out / "families.json").write_text(json.dumps(content, indent=1))
    print(markdown(chosen, measured))


def markdown(rows: list[Row], measured: dict[str, dict[str, Any]]) -> str:
    """The table, one line a row; then one line for each original that a model was held against."""
    families = [_cells(row, measured[row.name]) for row in rows]
    against: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        for entry in measured[row.name]["parity"]:
            held = against.setdefault((entry["model"], entry["peer"]), [])
            if entry not in held:
                held.append(entry)
    originals = [(*names, _largest(entries)) for names, entries in sorted(against.items())]
    return f"{_table(HEADERS, families)}\n\n{_table(PARITY_HEADERS, originals)}"


def _table(headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [headers, ("---",) * len(headers), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(kind: Row, row: dict[str, Any]) -> tuple[str, ...]:
    start = kind.start if kind.trains else "random weights"
    size_and_time = (f"{row['parameters'] / 1e6:.2f}", f"{row['tile_ms']:.0f}")
    trained = ("not trained", *[""] * 5)
    if "metrics" in row:
        scores = [row["metrics"][key] for key in ("AP", "AP50", "AP_tiny")]
        course = ("-",) * 3  # too few steps for a note
        if "steps" in row:
            losses = f"{row['first_loss']:.2f} to {row['last_loss']:.2f}"
            course = (f"{row['steps']}", f"{row['tiles_per_s']:.1f}", losses)
        trained = (*["-" if s is None else f"{100 * s:.1f}" for s in scores], *course)
    raw = [entry for entry in row["parity"] if entry["measure"].startswith("raw")]
    error = _largest(raw or row["parity"]) or "not measured"
    error = error if kind.parity else "has no original"
    return (kind.name, start, *size_and_time, *trained, error)


def _largest(entries: list[dict[str, Any]]) -> str:
    """The largest error of each measure."""
    errors: dict[str, float] = {}
    for entry in entries:
        measure = entry["measure"]
        errors[measure] = max(entry["error"], errors.get(measure, 0.0))
    return "; ".join(
        f"{measure} {error:.1e}" if error else f"{measure} 0" for measure, error in errors.items()
    )


if __name__ == "__main__":
    run(main)
