"""Our network texts: what a line means, and that a wrong one is named by its number."""

from __future__ import annotations

import pytest

from smalldet.models.yolo.description import parse_network
from smalldet.models.yolo.specs import Convolution, MaxPool, Route, Shortcut, Upsample, Yolo

HEAD = "anchors: [[4, 5], [8, 9]]\nnum_classes: 2\nlayers:\n"


def lines(*texts: str, top: str = "") -> str:
    return top + HEAD + "".join(f"  - {{{text}}}\n" for text in texts)


def test_a_convolution_keeps_its_sides_and_takes_the_width() -> None:
    graph = parse_network(
        lines("conv: 60, size: 3, stride: 2", top="width: 0.3\nactivation: swish\n")
    )
    assert graph.layers[0] == Convolution((-1,), 24, 3, 2, 1, 1, 1, True, "swish")
    exact = parse_network(lines("conv: 60, exact: true", top="width: 0.3\n"))
    assert exact.shapes == ((60, 1),)


def test_lines_read_the_line_before_or_what_they_name() -> None:
    graph = parse_network(
        lines(
            "conv: 8, name: a",
            "conv: 8, stride: 2",
            "upsample: 2, name: b",
            "concat: [b, a]",
            "conv: 4, from: a",
            "sum: [a, b]",
        )
    )
    assert graph.layers[2] == Upsample((1,), 2)
    assert graph.layers[3] == Route((2, 0), 1, 0)
    assert graph.layers[4].sources == (0,)
    assert graph.layers[5] == Shortcut((0, 2), "linear")


def test_a_name_is_that_of_the_last_layer_of_its_block() -> None:
    graph = parse_network(lines("conv: 8", "c3: 8, repeat: 2, name: a", "conv: 8", "concat: [a]"))
    assert graph.layers[-1].sources == (graph.layers[-2].sources[0],)


def test_repeats_take_the_depth() -> None:
    shallow = parse_network(lines("conv: 8", "residual: 8, repeat: 9", top="depth: 0.33\n"))
    assert sum(isinstance(layer, Shortcut) for layer in shallow.layers) == 3


def test_poolings_beside_and_after_each_other() -> None:
    beside = parse_network(lines("conv: 8", "spp: [13, 5]"))
    assert beside.layers[1:] == (
        MaxPool((0,), 13, 1, 12),
        MaxPool((0,), 5, 1, 4),
        Route((1, 2, 0), 1, 0),
    )
    after = parse_network(lines("conv: 8", "sppf: 8"))
    assert [layer.sources for layer in after.layers[2:6]] == [(1,), (2,), (3,), (1, 2, 3, 4)]


def test_an_output_brings_its_convolution() -> None:
    text = lines("conv: 8", "yolo: [1], scale_xy: 1.1", top="output: {box_loss: ciou}\n")
    graph = parse_network(text)
    assert graph.layers[1] == Convolution((0,), 7, 1, 1, 0, 1, 1, False, "linear")
    assert graph.outputs == (Yolo((1,), ((4, 5), (8, 9)), (1,), 2, scale_xy=1.1, box_loss="ciou"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lines("konv: 8"), "layer 0: .*must have one of the keys"),
        (lines("conv: 8", "conv: 8, sice: 3"), r"layer 1: [\s\S]*sice"),
        (lines("conv: 8", "conv: 0"), r"layer 1: [\s\S]*conv"),
        (lines("conv: 8, from: a"), "layer 0: no line before is named 'a'"),
        (lines("conv: 8", "yolo: [2]"), "layer 1: yolo must point into 2 anchors"),
        (lines("conv: 8, groups: 2"), "layer 0: groups=2 does not divide"),
        (lines("conv: 8, name: a", "conv: 4", "sum: [a, a]", "upsample: 2"), "layer 3: .*upsample"),
        (lines("conv: 8", top="widht: 2\n"), "widht"),
        ("- a list", "expected keys"),
        ("a: [", "not readable as YAML"),
        ("anchors: [[0, 1]]\nlayers: [{conv: 1}]", "positive sides"),
    ],
)
def test_mistakes_are_named_by_their_place(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"n\.yaml[\s\S]*{message}"):
        parse_network(text, "n.yaml")


def test_absurd_networks_take_no_memory() -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nanchors: [[1, 1]]\nlayers: [{conv: 1}]"
    with pytest.raises(ValueError, match="refers to another place"):
        parse_network(bomb)
    with pytest.raises(ValueError, match="parameters up to here are more than"):
        parse_network(lines(*["conv: 60000, size: 3"] * 3))
    with pytest.raises(ValueError, match="more than 5000 layers"):
        parse_network(lines("conv: 8", *["residual: 8, repeat: 100"] * 20))
    with pytest.raises(ValueError, match="no network text"):
        parse_network("#" * 2_000_000)
