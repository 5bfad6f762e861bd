"""The table of the families: what trains, what loads, how fast, how accurate for equal minutes.

    python benchmarks/families.py [--minutes 8] [--rows speck-n yolov5n ...] [--no-train]

Every row is a recipe of `configs/` with overrides (`families_rows.py`). It trains on the thermal
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
from families_measured import accuracy, course, detector, milliseconds, parity, tile_of, train
from families_rows import ROWS, Row
from sets import labelled_set, shared_folder

from smalldet.data.index import Index

Words = Parameter(consume_multiple=True)
HEADERS = (
    "family", "start", "parameters, M", "ms a tile", "worst error against the original",
    "steps", "tiles a second", "loss, first to last", "AP", "AP50", "AP 8-16 px",
)  # fmt: skip


def main(
    *,
    rows: Annotated[tuple[str, ...], Words] = (),
    minutes: float = 8,
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
    truth = _spread(labelled_set(root, "hituav", "val"), pictures)
    measured: dict[str, dict[str, Any]] = {}
    detectors = {}
    for row in chosen:
        folder = out / row.name
        measured[row.name] = {"name": row.name, "start": row.start}
        if row.trains and train_missing:
            train(row, folder, root, minutes, index)
        if row.trains and (folder / "summary.txt").exists():
            measured[row.name] |= course(folder) | {"metrics": accuracy(folder, truth)}
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
    """The table, one line a row."""
    lines = [HEADERS, ("---",) * len(HEADERS)]
    lines += [_cells(measured[row.name], row.trains) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: dict[str, Any], trains: bool) -> tuple[str, ...]:
    about = (
        row["name"], row["start"] if trains else "random weights",
        f"{row['parameters'] / 1e6:.2f}", f"{row['tile_ms']:.0f}", _worst(row["parity"]),
    )  # fmt: skip
    if "metrics" not in row:
        return (*about, "not trained", *[""] * 5)
    scores = [row["metrics"][key] for key in ("AP", "AP50", "AP_tiny")]
    losses = f"{row['first_loss']:.2f} to {row['last_loss']:.2f}" if "steps" in row else ""
    return (
        *about, f"{row.get('steps', '')}", f"{row.get('tiles_per_s', 0):.1f}", losses,
        *["-" if score is None else f"{100 * score:.1f}" for score in scores],
    )  # fmt: skip


def _worst(entries: list[dict[str, Any]]) -> str:
    """The largest error of each measure, with the peer that it is against."""
    worst: dict[str, dict[str, Any]] = {}
    for entry in entries:
        held = worst.setdefault(entry["measure"], entry)
        if entry["error"] > held["error"]:
            worst[entry["measure"]] = entry
    told = [f"{e['error']:.1e} {e['measure']} ({e['peer']})" for e in worst.values()]
    return "; ".join(told) or "not measured"


def _spread(index: Index, num_wanted: int | None) -> Index:
    """So many pictures, evenly spread."""
    if num_wanted is None or num_wanted >= len(index):
        return index
    step = len(index) / num_wanted
    records = tuple(index.records[int(i * step)] for i in range(num_wanted))
    return Index(index.class_names, records)


if __name__ == "__main__":
    run(main)
