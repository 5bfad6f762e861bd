"""Find objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack, overload

from smalldet.api.keywords import IMAGERY, PredictPictureKeywords, shared_out
from smalldet.detections import Detections
from smalldet.imagery import Source
from smalldet.inference.options import PredictKeywords, PredictOptions
from smalldet.inference.predictor import Predictor
from smalldet.models import DEFAULT_MODEL, ClassNames
from smalldet.tile_models import open_tile_model


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    **options: Unpack[PredictKeywords],
) -> Predictor:
    """A model ready to predict.

    Args:
        model: name of an embedded model, a file of trained weights (smalldet's own, Darknet's,
            Ultralytics', torchvision's, ...), or what `export` wrote.
        class_names: names, a file of names, or `a,b,c`, where the file of weights has none.
        network: name or description file of the network, where the file of weights has none.
        device: "auto" takes CUDA, then Apple's MPS, then the CPU.
        backend: `torch`, `onnxruntime` or `openvino`; "auto" takes the fastest here, by a trial
            that is made once and kept in the user's cache.
        options: fields of `PredictOptions`: `tile_px`, `overlap_frac`, `conf`, `classes`, ...

    Returns:
        Its `predict(source)` takes a path, an array, or a PIL picture of any size, or a list of
        these, and options of the picture: `gsd_m`, `bands`, `stretch`, `nodata`, ...

    Raises:
        FileNotFoundError, ValueError: there is no such model or device, or an option is wrong.
    """
    chosen = PredictOptions.model_validate(options)
    tile_model = open_tile_model(
        model, class_names=class_names, network=network, device=device, backend=backend
    )
    return Predictor(tile_model, chosen)


@overload
def predict(
    source: Source,
    model: str | Path = DEFAULT_MODEL,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    **options: Unpack[PredictPictureKeywords],
) -> Detections: ...
@overload
def predict(
    source: Sequence[Source],
    model: str | Path = DEFAULT_MODEL,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    **options: Unpack[PredictPictureKeywords],
) -> list[Detections]: ...
def predict(
    source: Source | Sequence[Source],
    model: str | Path = DEFAULT_MODEL,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    **options: Unpack[PredictPictureKeywords],
) -> Detections | list[Detections]:
    """Objects of one picture in its pixels, strongest first; a list of them for a list.

    Arguments as in `load`; among the options also fields of `ImageryOptions`: `bands`, `stretch`,
    `nodata`, `assume_crs`, `height_m`.
    """
    imagery, others = shared_out(options, IMAGERY)
    predictor = load(
        model, class_names=class_names, network=network, device=device, backend=backend, **others
    )
    return predictor.predict(source, **imagery)
