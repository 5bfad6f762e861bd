"""A cfg means what Darknet takes it to mean, and what cannot be run is refused by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from smalldet.models.yolo.darknet import parse_cfg, read_cfg
from smalldet.models.yolo.shapes import num_parameters
from smalldet.models.yolo.specs import Convolution, MaxPool, Product, Route, Shortcut, Yolo

NET = "[net]\nwidth=64\nheight=32\nchannels=3\n"
CONV = "[convolutional]\nfilters=8\nsize=3\nstride=2\npad=1\nbatch_normalize=1\nactivation=mish\n"


def test_options_of_a_convolution() -> None:
    graph = parse_cfg(NET + CONV + "[convolutional]\nfilters=4\nsize=3\npad=1\ndilation=2\n")
    assert (graph.in_channels, graph.width_px, graph.height_px) == (3, 64, 32)
    assert graph.layers[0] == Convolution((-1,), 8, 3, 2, 1, 1, 1, True, "mish")
    # Darknet's defaults: no normalisation, logistic; padding grows with dilation
    assert graph.layers[1] == Convolution((0,), 4, 3, 1, 2, 2, 1, False, "logistic")
    assert graph.shapes == ((8, 2), (4, 2))


def test_padding_counts_only_without_pad() -> None:
    text = "[convolutional]\nsize=5\npadding=1\n[convolutional]\nsize=5\npadding=1\npad=1\n"
    paddings = [layer.padding_px for layer in parse_cfg(NET + text).layers]  # pyright: ignore
    assert paddings == [1, 2]


def test_sources_are_relative_or_absolute() -> None:
    text = CONV * 2 + "[upsample]\n[route]\nlayers=-1, 0,\ngroups=2\ngroup_id=1\n"
    graph = parse_cfg(NET + text + "[shortcut]\nfrom=-2\n")
    assert graph.layers[3] == Route((2, 0), 2, 1)
    assert graph.shapes[3] == (8, 2)
    assert graph.layers[4] == Shortcut((3, 2), "linear")


def test_attention_reads_its_map_and_its_factors() -> None:
    text = CONV + "[avgpool]\n[scale_channels]\nfrom=-2\n[sam]\nfrom=0\nactivation=relu\n"
    graph = parse_cfg(NET + text)
    assert graph.layers[2] == Product((0, 1), "linear")
    assert graph.layers[3] == Product((2, 0), "relu")
    assert graph.shapes[1:] == ((8, 0), (8, 2), (8, 2))


def test_pooling_pads_by_its_size() -> None:
    graph = parse_cfg(NET + "[maxpool]\nsize=2\nstride=2\n[maxpool]\nsize=5\n[maxpool]\nstride=2\n")
    assert graph.layers == (MaxPool((-1,), 2, 2, 1), MaxPool((0,), 5, 1, 4), MaxPool((1,), 2, 2, 1))


def test_an_output_keeps_all_anchors_and_its_own() -> None:
    graph = parse_cfg(
        NET + "[convolutional]\nfilters=14\nactivation=linear\n"
        "[yolo]\nmask = 1,2\nanchors = 1,2,  3,4,  5,6.5\nclasses=2\nscale_x_y=1.1\n"
        "iou_loss=ciou\nignore_thresh=.7\niou_thresh=0.213\nbeta_nms=0.6\nnms_kind=greedynms\n"
    )
    (output,) = graph.outputs
    assert output == Yolo(
        (0,),
        ((1, 2), (3, 4), (5, 6.5)),
        (1, 2),
        2,
        scale_xy=1.1,
        ignore_iou=0.7,
        assign_iou=0.213,
        box_loss="ciou",
    )
    assert output.own_anchors == ((3, 4), (5, 6.5))


def test_comments_white_space_and_repeated_options() -> None:
    text = "# a\n; b\n[ net ]\nchannels = 1 # grey\nchannels=3\n\n[Convolutional]\nfilters = 1 2\n"
    graph = parse_cfg(text)
    assert graph.in_channels == 1
    assert graph.shapes == ((12, 1),)


def conv(filters: int, size: int, stride: int = 1) -> str:
    return (
        f"[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize={size}\nstride={stride}\n"
        "pad=1\nactivation=leaky\n"
    )


def yolov3() -> str:
    """The cfg of YOLOv3 (arXiv 1804.02767, table 1 and section 2.3) for 80 classes."""
    text = "[net]\nwidth=416\nheight=416\nchannels=3\n" + conv(32, 3)
    for filters, repeats in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        block = conv(filters // 2, 1) + conv(filters, 3) + "[shortcut]\nfrom=-3\n"
        text += conv(filters, 3, 2) + block * repeats
    for filters, mask, lateral in ((512, "6,7,8", 61), (256, "3,4,5", 36), (128, "0,1,2", 0)):
        text += (conv(filters, 1) + conv(2 * filters, 3)) * 3
        text += "[convolutional]\nsize=1\nfilters=255\nactivation=linear\n"
        text += f"[yolo]\nmask={mask}\nanchors={','.join(['9'] * 18)}\nclasses=80\nnum=9\n"
        if lateral:
            text += f"[route]\nlayers=-4\n{conv(filters // 2, 1)}[upsample]\nstride=2\n"
            text += f"[route]\nlayers=-1,{lateral}\n"
    return text


def test_yolov3_has_as_many_values_as_its_published_weights() -> None:
    """yolov3.weights has 248,007,048 bytes, of which 20 are the header."""
    graph = parse_cfg(yolov3())
    total = sum(num_parameters(layer, graph.channels_into(layer)) for layer in graph.layers)
    assert 4 * total + 20 == 248_007_048
    assert [graph.shapes[output.sources[0]].stride for output in graph.outputs] == [32, 16, 8]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[rnn]\n", r"n\.cfg line 5: \[rnn\] unknown section"),
        (
            "[convolutional]\nsize=1\nactivation=gelu\n",
            r"n\.cfg line 7: .*unknown activation 'gelu'",
        ),
        ("[convolutional]\nfilters=none\n", r"line 6: .*filters=none is not a number"),
        ("[convolutional]\nfilters=2.5\n", r"line 6: .*whole number"),
        ("[convolutional]\nstride=0\n", r"line 6: .*stride must be .* 1\.\.64"),
        ("[convolutional]\nfilters=4\ngroups=2\n", r"line 5: .*groups=2 does not divide 3"),
        ("[convolutional]\nstride_x=2\n", r"line 6: .*stride_x=2 is not supported"),
        ("[route]\nlayers=-1\n", r"line 6: .*-1 is no layer before layer 0"),
        (CONV + "[route]\nlayers=1\n", r"line 13: .*1 is no layer before layer 1"),
        (CONV + "[route]\n", r"line 12: .*layers is missing"),
        (CONV + CONV + "[route]\nlayers=0,1\n", r"line 19: .*side by side"),
        (CONV + CONV + "[shortcut]\nfrom=0\n", r"line 19: .*cannot add"),
        ("[upsample]\n", r"line 5: .*cannot upsample stride 1 by 2"),
        ("[reorg]\nstride=2\n", r"line 5: .*3 channels do not divide"),
        ("[yolo]\nanchors=1,2\nclasses=80\n", r"line 5: .*need 85 channels.*gives 3"),
        ("[yolo]\nanchors=1,2,3\n", r"line 6: .*pairs"),
        ("[yolo]\nanchors=1,2\nmask=1\n", r"line 7: .*mask must point into 1"),
        ("[shortcut\n", r"line 5: .*closing bracket"),
        ("hello\n", r"line 5: 'hello' is no option"),
    ],
)
def test_what_cannot_run_is_refused_by_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_cfg(NET + text, "n.cfg")


def test_a_cfg_begins_with_net() -> None:
    for text in ("", CONV):
        with pytest.raises(ValueError, match=r"n\.cfg.*\[net\]"):
            parse_cfg(text, "n.cfg")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[dropout]\n" * 20_000, "more than 5001 sections"),
        ("[convolutional]\nfilters=60000\nsize=255\n", "parameters up to here"),
        ("[convolutional]\nfilters=999999999\n", "channels are more than"),
        ("[convolutional]\nfilters=60000\n" * 40, "parameters up to here"),
        (CONV + "".join("[route]\nlayers=-1,-1\n" for _ in range(60)), "channels are more than"),
        ("[maxpool]\nsize=1000000000\n", "size must be"),
        ("[convolutional]\nfilters=1e400\n", "not a number"),
    ],
)
def test_absurd_sizes_are_refused_before_memory_is_taken(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_cfg(NET + text)


def test_a_file_is_named_in_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "odd.cfg"
    with pytest.raises(FileNotFoundError, match=r"odd\.cfg"):
        read_cfg(path)
    path.write_bytes(NET.encode() + b"# \xc4\xe3\xba\xc3\n" + b"[lstm]\n")
    with pytest.raises(ValueError, match=r"odd\.cfg line 6: \[lstm\]"):
        read_cfg(path)
    path.write_bytes(b"#" * (5 << 20))
    with pytest.raises(ValueError, match=r"odd\.cfg: \d+ bytes are no cfg"):
        read_cfg(path)
