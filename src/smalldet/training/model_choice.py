"""One word for the model of a run: a family, a known network, or weights to start from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from smalldet.config.load import override
from smalldet.models import embedded_models, import_model, is_hub_name, is_transformers
from smalldet.models.families import FAMILIES
from smalldet.models.yolo.known import KNOWN

NETWORK_TEXTS = (".cfg", ".yaml", ".yml")


def model_assignments(name: str, overrides: Sequence[str] = ()) -> tuple[str, ...]:
    """What a word makes of a recipe, as `section=value` assignments.

    Weights bring their whole schema, so that all of them fit.

    Args:
        name: a family, a network that is known or a text of one, an embedded model, or a file of
            weights.
        overrides: of the same command line; `training.class_names` and `training.start_network`
            say what a file of weights does not.

    Raises:
        ValueError: it is none of these; says what there is.
        FileNotFoundError: it looks like a file, and there is none.
    """
    if name in FAMILIES:
        return (_model({"family": name}),)
    networks = known_networks()
    if name in networks:
        return (_model({"family": networks[name], "network": name}),)
    path = Path(name)
    if path.suffix in NETWORK_TEXTS and path.is_file():
        return (_model({"family": "yolo", "network": str(path.resolve())}),)
    if name in embedded_models() or path.is_file() or is_transformers(path) or is_hub_name(name):
        return _start(name, overrides)
    if len(path.parts) > 1 or path.suffix:
        raise FileNotFoundError(f"--model {name}: no such file")
    known = [*FAMILIES, *networks, *embedded_models()]
    nearest = "".join(f"; nearest: {one}" for one in get_close_matches(name, known, 1))
    raise ValueError(
        f"--model {name}: no such model{nearest}. Families are {', '.join(FAMILIES)}; networks "
        f"{', '.join(sorted(networks))}; trained weights {', '.join(embedded_models())}, or a file"
    )


def known_networks() -> dict[str, str]:
    """{network by name: the first family that has it}, the upright one of two."""
    named = dict.fromkeys(KNOWN, "yolo")
    for family, schema in FAMILIES.items():
        if "network" in schema.model_fields:
            names = _names_in(schema.model_fields["network"].annotation)
            named = dict.fromkeys(names, family) | named
    return named


def _names_in(annotation: Any) -> list[str]:
    """The texts that a field may be, of `Literal["a", "b"] | None`."""
    names: list[str] = []
    for part in get_args(annotation):
        names += [part] if isinstance(part, str) else _names_in(part)
    return names


def _start(name: str, overrides: Sequence[str]) -> tuple[str, ...]:
    said: Any = override({}, overrides).get("training", {})
    told = {
        "class_names": said.get("class_names", said.get("start_classes")),
        "network": said.get("start_network"),
    }
    loaded = import_model(name, **told)
    start = str(Path(name).resolve()) if Path(name).exists() else name
    return (_model(loaded.config.model_dump(mode="json")), f"training.start={json.dumps(start)}")


def _model(content: dict[str, Any]) -> str:
    return f"model={json.dumps(content)}"
