"""Options: said once, checked, and had without torch."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import get_args, get_type_hints

import pytest
from pydantic import ValidationError

from smalldet.config.base import Frozen
from smalldet.evaluation.options import EvaluateKeywords, EvaluateOptions
from smalldet.geometry.merge_methods import MERGES
from smalldet.inference.options import MergeName, PredictKeywords, PredictOptions

KINDS = [(PredictOptions, PredictKeywords), (EvaluateOptions, EvaluateKeywords)]


@pytest.mark.parametrize(("options", "keywords"), KINDS)
def test_keywords_are_the_fields(options: type[Frozen], keywords: type[Mapping[str, object]]):
    """The Python API takes options as keywords; their list must not fall behind the schema."""
    assert get_type_hints(keywords).keys() == options.model_fields.keys()


@pytest.mark.parametrize("options", [PredictOptions, EvaluateOptions])
def test_every_option_is_described(options: type[Frozen]):
    assert all(field.description for field in options.model_fields.values())


def test_merges_are_those_of_the_geometry():
    assert get_args(MergeName) == tuple(MERGES)


def test_options_of_tiles_are_options():
    """A name that is no field would silently stop to be left out of a checkpoint's facts."""
    assert PredictOptions.model_fields.keys() >= PredictOptions.AFTER_TILES
    assert EvaluateOptions.model_fields.keys() >= EvaluateOptions.STRUCTURED


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"conf": 1.01}, "conf"),
        ({"merge_iou": -0.1}, "merge_iou"),
        ({"max_detections": 0}, "max_detections"),
        ({"scales": (9,)}, "scales"),
        ({"sizes": {"odd": (8, 8)}}, r"sizes \['odd'\]"),
        ({"sizes": {"all": (0, 8)}}, "sizes"),
        ({"tile": 640}, "tile"),
    ],
)
def test_what_is_out_of_range_or_unknown_is_named(wrong: dict[str, object], name: str):
    with pytest.raises(ValueError, match=name):
        EvaluateOptions.model_validate(wrong)


def test_nothing_changes_later():
    options = PredictOptions(classes=["car"])  # type: ignore[arg-type]
    assert isinstance(options.classes, Sequence) and options.classes == ("car",)
    with pytest.raises(ValidationError, match="frozen"):
        options.conf = 0.3  # type: ignore[misc]


@pytest.mark.parametrize(
    "module", ["smalldet.inference.options", "smalldet.evaluation.options", "smalldet.cli"]
)
def test_help_and_options_need_no_torch(module: str):
    """`smalldet --help` must not take seconds."""
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
