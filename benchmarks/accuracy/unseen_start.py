"""A start like `speck-start` that has not seen some sets, so that it can be measured on them.

    python -m benchmarks.accuracy.unseen_start --leave-out hituav sen2ships --minutes 40
        --out runs/starts/without-hituav [--start speck-n-thermal]

Trains the recipe of `speck-start` without those sets, from ImageNet or from a model that has not
seen them either. Two of them, each without a half of the sets, do for a table over all sets:
`benchmarks.accuracy.against_yolo26n --contenders speck-n speck-n-from-model yolo26n-coco
--start SET=FILE ...` fine-tunes what this leaves as `last.safetensors`.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, run

from benchmarks.sets import shared_folder
from smalldet.config.load import checked, load_yaml, override
from smalldet.config.recipe_files import FOLDER
from smalldet.training.loop import train
from smalldet.training.recipe import TrainRecipe, anchored


def main(
    *,
    leave_out: Annotated[tuple[str, ...], Parameter(consume_multiple=True)],
    minutes: float,
    out: Path,
    start: str = "imagenet",
    shared: Path | None = None,
    changes: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
) -> None:
    """Train it.

    Args:
        leave_out: names of sets.
        start: as `training.start`; must not have seen them.
        changes: of the recipe, as `training.seed=1`.
    """
    data = shared_folder(shared) / "data"
    content = load_yaml(FOLDER / "speck-start.yaml")
    sets = content["data"]["train"]
    names = [entry["annotations"].partition("/")[0] for entry in sets]
    if unknown := set(leave_out) - set(names):
        raise SystemExit(f"{', '.join(sorted(unknown))}: not of the recipe, which has {names}")
    kept = [entry for entry, name in zip(sets, names, strict=True) if name not in leave_out]
    content["data"]["train"] = kept
    _leave_out_unlabelled(content["data"])
    content["training"] |= {"start": start, "minutes": minutes}
    content = override(anchored(content, data.resolve()), changes)
    train(checked(TrainRecipe, content, "speck-start"), out, device="auto")


def _leave_out_unlabelled(data: dict[str, Any]) -> None:
    """Classes that no set labels any more: a start that learned "never" of one would keep to it."""
    told = [{*entry.get("unknown", ()), *entry.get("absent", ())} for entry in data["train"]]
    gone = set.intersection(*told)
    data["classes"] = [name for name in data["classes"] if name not in gone]
    for entry, key in product(data["train"], ("unknown", "absent")):
        if key in entry:
            entry[key] = [name for name in entry[key] if name not in gone]


if __name__ == "__main__":
    run(main)
