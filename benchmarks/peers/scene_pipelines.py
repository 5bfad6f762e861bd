"""One prediction of a scene, from file to written result, in a process of its own.

`speed/memory.py` and `speed/throughput.py` start it, so that a pipeline that fails or takes
more memory than it may costs a row of their tables and no more. The peer's is built here, on the
same detector: one of smalldet's, or an Ultralytics checkpoint (`.pt`).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.limited import limit_memory, peak_mb
from smalldet.hardware import choose_device, choose_precision, keep_freed_memory
from smalldet.inference.options import PredictOptions
from smalldet.inference.predict import Listener, predict_sources
from smalldet.models import load_model
from smalldet.models.detector import Detector
from smalldet.models.fuse_batchnorm import fuse_batchnorm
from smalldet.tile_models import TorchTileModel, open_tile_model

Run = Callable[[str, Path], dict[str, Any]]
"""Predicts a file, writes COCO results, and says what else is worth a column."""


def smalldet(model: str, *, device: str, backend: str = "torch", **options: Any) -> Run:
    if backend == "torch":
        tile_model = TorchTileModel(_detector(model), device)
    else:
        tile_model = open_tile_model(model, device=device, backend=backend)

    def run(source: str, out: Path) -> dict[str, Any]:
        told: dict[str, Any] = {}
        predict_sources(
            tile_model, [source], out, PredictOptions(**options),
            listener=Listener(on_scouted=lambda _, left, of: told.update(visited=left, tiles=of)),
        )  # fmt: skip
        return told

    return run


def _detector(model: str) -> Detector:
    if not model.endswith(".pt"):
        return load_model(model)
    from benchmarks.peers.ultralytics_detector import UltralyticsDetector

    return UltralyticsDetector(model)


def sahi(
    model: str,
    *,
    device: str,
    tile_px: int,
    overlap_frac: float,
    conf: float | None = None,
    batch_size: int | None = None,
    float32: bool = False,
    **postprocess: Any,
) -> Run:
    """SAHI in batches, on the memory layout, precision and allocator that smalldet takes.

    Args:
        model: one of smalldet's, with its norms folded; or a `.pt`, by SAHI's own adapter.
        device: as `choose_device`.
        tile_px: side of a slice.
        overlap_frac: of slices.
        conf: least score; the detector's own if None.
        batch_size: slices at a time.
        float32: without autocast.
        postprocess: of `get_sliced_prediction`.
    """
    from sahi.predict import get_sliced_prediction

    where = choose_device(device)
    if where.type == "cpu":
        keep_freed_memory()
    precision = torch.float32 if float32 else choose_precision("auto", where)
    make = _sahi_ultralytics if model.endswith(".pt") else _sahi_own
    wrapped, class_names = make(model, conf, where)

    def run(source: str, out: Path) -> dict[str, Any]:
        with torch.autocast(where.type, precision, precision != torch.float32):
            found = get_sliced_prediction(
                source,
                wrapped,
                **_slices(tile_px, overlap_frac),
                perform_standard_pred=False,
                batch_size=batch_size or 1,
                verbose=0,
                force_postprocess_type=True,
                **postprocess,
            )
        _write_coco(found, dict(enumerate(class_names)), out)
        return {}

    return run


def sahi_as_it_comes(
    model: str, *, device: str, tile_px: int, overlap_frac: float, **_: Any
) -> Run:
    """SAHI as its guide runs it: its own adapter, slices one by one, all else at its defaults.

    Args:
        model: an Ultralytics `.pt`, or what Ultralytics exported it to.
        device: as `choose_device`.
        tile_px: side of a slice.
        overlap_frac: of slices.
    """
    from sahi import AutoDetectionModel
    from sahi.predict import get_sliced_prediction

    wrapped = AutoDetectionModel.from_pretrained(
        model_type="ultralytics",
        model_path=model,
        confidence_threshold=Detector.conf,
        device=str(choose_device(device)),
    )

    def run(source: str, out: Path) -> dict[str, Any]:
        found = get_sliced_prediction(
            source,
            wrapped,
            **_slices(tile_px, overlap_frac),
            verbose=0,
        )
        names = {int(i): name for i, name in (wrapped.category_mapping or {}).items()}
        _write_coco(found, names, out)
        return {}

    return run


def _slices(tile_px: int, overlap_frac: float) -> dict[str, Any]:
    """Square slices in SAHI's words."""
    return {
        "slice_height": tile_px,
        "slice_width": tile_px,
        "overlap_height_ratio": overlap_frac,
        "overlap_width_ratio": overlap_frac,
    }


def _write_coco(found: Any, class_names: dict[int, str], out: Path) -> None:
    rows = found.to_coco_annotations()
    for row in rows:
        row["category_id"] += 1
        row["score"] = float(row["score"])
    categories = [{"id": i + 1, "name": name} for i, name in class_names.items()]
    out.write_text(json.dumps({"categories": categories, "annotations": rows}))


def _sahi_ultralytics(model: str, conf: float | None, device: torch.device) -> tuple[Any, Any]:
    from sahi.models.ultralytics import UltralyticsDetectionModel

    threshold = Detector.conf if conf is None else conf
    wrapped = UltralyticsDetectionModel(
        model_path=model, confidence_threshold=threshold, device=str(device), fuse=True
    )
    wrapped.model.model.to(memory_format=torch.channels_last)
    return wrapped, wrapped.category_names


def _sahi_own(model: str, conf: float | None, device: torch.device) -> tuple[Any, Any]:
    from sahi.models.base import DetectionModel
    from sahi.prediction import ObjectPrediction

    detector = fuse_batchnorm(load_model(model).eval())
    detector = detector.to(device, memory_format=torch.channels_last)  # pyright: ignore
    threshold = detector.conf if conf is None else conf

    class Wrapped(DetectionModel):
        def load_model(self) -> None:
            self.category_mapping = {str(i): n for i, n in enumerate(detector.class_names)}

        @torch.inference_mode()
        def perform_batch_inference(self, images: list[np.ndarray]) -> None:
            # SAHI's last slices may be smaller: one batch for each size
            self._original_predictions = [None] * len(images)
            for shape in {image.shape for image in images}:
                rows = [i for i, image in enumerate(images) if image.shape == shape]
                batch = torch.from_numpy(np.stack([images[i] for i in rows])).permute(0, 3, 1, 2)
                pad = (0, -shape[1] % detector.stride, 0, -shape[0] % detector.stride)
                batch = torch.nn.functional.pad(batch.to(device), pad)
                batch = batch.contiguous(memory_format=torch.channels_last)
                found = detector.predict(batch, threshold)
                for row, one in zip(rows, found, strict=True):
                    self._original_predictions[row] = one.to("cpu")

        def perform_inference(self, image: np.ndarray) -> None:
            self.perform_batch_inference([image])

        def _create_object_prediction_list_from_original_predictions(
            self, shift_amount_list: Any = None, full_shape_list: Any = None
        ) -> None:
            self._object_prediction_list_per_image = [
                [
                    ObjectPrediction(
                        bbox=box,
                        category_id=label,
                        category_name=detector.class_names[label],
                        score=score,
                        shift_amount=shift,
                        full_shape=shape,
                    )
                    for box, score, label in zip(
                        one.boxes.tolist(), one.scores.tolist(), one.labels.tolist(), strict=True
                    )
                ]
                for one, shift, shape in zip(
                    self._original_predictions, shift_amount_list, full_shape_list, strict=True
                )
            ]

    wrapped = Wrapped(confidence_threshold=threshold, device=str(device))

    return wrapped, detector.class_names


PIPELINES: dict[str, Callable[..., Run]] = {
    "smalldet": smalldet,
    "sahi": sahi,
    "sahi as it comes": sahi_as_it_comes,
}


def main(name: str, settings: str, source: str, out: str, memory_gb: float) -> None:
    """Predict once a corner to warm up, then the scene, and print what it took as JSON."""
    limit_memory(memory_gb)
    run = PIPELINES[name](**json.loads(settings))
    warm_up = Path(out).with_suffix(".warm.png")
    from PIL import Image

    Image.fromarray(np.zeros((700, 700, 3), np.uint8)).save(warm_up)
    run(str(warm_up), Path(out))
    warm_up.unlink()
    ready_mb = peak_mb()
    begin, cpu_begin = time.perf_counter(), time.process_time()
    told = run(source, Path(out))
    took = {
        "seconds": time.perf_counter() - begin,
        "cpu_s": time.process_time() - cpu_begin,
        "ready_mb": ready_mb,
        "peak_mb": peak_mb(),
    }
    print(json.dumps(told | took))


if __name__ == "__main__":
    name, settings, source, out, memory_gb = sys.argv[1:]
    main(name, settings, source, out, float(memory_gb))
