"""Modules of a YOLOv5 or YOLOv3 checkpoint, as records, told as lines of our network texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from smalldet.models.checkpoints.pickle_values import Record

ACTIVATIONS = {
    "SiLU": "swish",
    "LeakyReLU": "leaky",
    "ReLU": "relu",
    "ReLU6": "relu6",
    "Mish": "mish",
    "Sigmoid": "logistic",
    "Identity": "linear",
}
FOCUS = "focus"
JOINING = ("Concat", "Detect")
"""Those that name what they read, even what stands before them."""


class Told(NamedTuple):
    """A module told as lines of a network text.

    Args:
        lines: blocks, without names and sources.
        convolutions: records of their convolutions in the order of the layers, each with that of
            its normalisation if it has one.
    """

    lines: list[dict[str, Any]]
    convolutions: list[tuple[Record, Record | None]]


def told_network(modules: Sequence[Record]) -> Told:
    """All modules as lines that name what they read."""
    lines: list[dict[str, Any]] = []
    convolutions: list[tuple[Record, Record | None]] = []
    sources = [_sources(module, number) for number, module in enumerate(modules)]
    far = {
        source
        for number, read in enumerate(sources)
        for source in read
        if kind_of(modules[number]) in JOINING or source < number - 1
    }
    for number, (module, read) in enumerate(zip(modules, sources, strict=True)):
        if kind_of(module) == "Detect":
            told = _detect(module, read)
        elif kind_of(module) == "Concat":
            told = Told([{"concat": [f"layer{source}" for source in read]}], [])
        else:
            told = _told(module)
            if read != (number - 1,):
                told.lines[0]["from"] = f"layer{read[0]}"
        if number in far:
            told.lines[-1]["name"] = f"layer{number}"
        lines += told.lines
        convolutions += told.convolutions
    return Told(lines, convolutions)


def _sources(module: Record, number: int) -> tuple[int, ...]:
    """Absolute numbers of the modules that one reads."""
    told = state_of(module)["f"]
    read = told if isinstance(told, list) else [told]
    return tuple(number + source if source < 0 else source for source in read)


def _told(module: Record) -> Told:
    kind = kind_of(module)
    if kind not in MODULES:
        known = ", ".join(sorted(MODULES))
        raise ValueError(f"module {module.name} is not supported; known: {known}")
    return MODULES[kind](module)


def _conv(module: Record) -> Told:
    parts = children_of(module)
    conv = state_of(parts["conv"])
    (size, _), (stride, _), (padding, _) = conv["kernel_size"], conv["stride"], conv["padding"]
    if conv["dilation"] != (1, 1):
        raise ValueError(f"{module.name} with dilation {conv['dilation']} is not supported")
    activation = kind_of(parts["act"])
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {parts['act'].name} is not supported")
    line = {
        "conv": conv["out_channels"],
        "size": size,
        "stride": stride,
        "padding": padding,
        "groups": conv["groups"],
        "activation": ACTIVATIONS[activation],
        "normalised": "bn" in parts,
    }
    return Told([line], [(parts["conv"], parts.get("bn"))])


def _focus(module: Record) -> Told:
    """Four pixels side by side, then a convolution: the same as one of twice the size, stride 2."""
    told = _conv(children_of(module)["conv"])
    (line,) = told.lines
    line |= {"size": 2 * line["size"], "stride": 2, "padding": 2 * line["padding"]}
    (((conv, norm)),) = told.convolutions
    return Told([line], [(Record(FOCUS, (conv,), conv.state), norm)])


def _bottleneck(module: Record) -> Told:
    parts = children_of(module)
    inner, outer = _conv(parts["cv1"]), _conv(parts["cv2"])
    filters = outer.lines[0]["conv"]
    line = {"residual": filters, "shortcut": bool(state_of(module)["add"])}
    return Told([line], inner.convolutions + outer.convolutions)


def _c3(module: Record) -> Told:
    parts = children_of(module)
    first, beside, last = (_conv(parts[name]) for name in ("cv1", "cv2", "cv3"))
    inner = list(children_of(parts["m"]).values())
    kinds = {kind_of(part) for part in inner}
    adds = {bool(state_of(part)["add"]) for part in inner}
    if kinds != {"Bottleneck"} or len(adds) != 1:
        raise ValueError(f"{module.name} of {sorted(kinds)} is not supported")
    line = {"c3": last.lines[0]["conv"], "repeat": len(inner), "shortcut": adds.pop()}
    middle = [conv for part in inner for conv in _bottleneck(part).convolutions]
    ends = beside.convolutions + last.convolutions
    return Told([line], first.convolutions + middle + ends)


def _spp(module: Record) -> Told:
    parts = children_of(module)
    first, last = _conv(parts["cv1"]), _conv(parts["cv2"])
    pools = parts["m"]
    pools = [pools] if kind_of(pools) == "MaxPool2d" else list(children_of(pools).values())
    sizes = [state_of(pool)["kernel_size"] for pool in pools]
    line = {"sppf": last.lines[0]["conv"], "sizes": sizes}
    return Told([line], first.convolutions + last.convolutions)


def _pool(module: Record) -> Told:
    state = state_of(module)
    padding = 2 * state["padding"]
    return Told([{"pool": state["kernel_size"], "stride": state["stride"], "padding": padding}], [])


def _pad(module: Record) -> Told:
    left, right, top, bottom = state_of(module)["padding"]
    if (left, right) != (top, bottom):
        raise ValueError("uneven padding is not supported")
    return Told([{"pad": [left, right]}], [])


def _upsample(module: Record) -> Told:
    state = state_of(module)
    if state["mode"] != "nearest":
        raise ValueError(f"upsampling by {state['mode']} is not supported")
    return Told([{"upsample": int(state["scale_factor"])}], [])


def _row(module: Record) -> Told:
    told = [_told(part) for part in children_of(module).values()]
    lines = [line for part in told for line in part.lines]
    return Told(lines, [pair for part in told for pair in part.convolutions])


def _detect(module: Record, read: Sequence[int]) -> Told:
    num_anchors = int(state_of(module)["na"])
    convs = list(children_of(children_of(module)["m"]).values())
    lines = [
        {"yolo": list(range(k * num_anchors, (k + 1) * num_anchors)), "from": f"layer{source}"}
        for k, source in enumerate(read)
    ]
    return Told(lines, [(conv, None) for conv in convs])


MODULES: dict[str, Callable[[Record], Told]] = {
    "Bottleneck": _bottleneck,
    "C3": _c3,
    "Conv": _conv,
    "Focus": _focus,
    "MaxPool2d": _pool,
    "SPP": _spp,
    "SPPF": _spp,
    "Sequential": _row,
    "Upsample": _upsample,
    "ZeroPad2d": _pad,
}


def kind_of(record: Record) -> str:
    """Name of the class without its module."""
    return record.name.rsplit(".", 1)[-1]


def state_of(record: Record) -> dict[str, Any]:
    if not isinstance(record.state, dict):
        raise ValueError(f"{record.name} holds nothing")
    return record.state


def children_of(record: Record) -> dict[str, Any]:
    return state_of(record)["_modules"]
