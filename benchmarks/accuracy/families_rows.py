"""The rows of the table of families: each a recipe of smalldet with overrides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from smalldet.config.recipe_files import FOLDER
from smalldet.data.index import Index
from smalldet.training.recipe import TrainRecipe, read_recipe
from smalldet.training.setup import fitted

# Alike for all rows. Tiles of a quarter of the area give four times the steps in the same minutes;
# what is measured are tiles of 640 px.
SAME = (
    "data.tile_px=320",
    "data.predict_tile_px=640",
    "data.scale_jitter=[0.6, 1.6]",
    "data.tiles_per_epoch=200",
    "data.cache_mb=2000",
    "training.epochs=100000",
    "training.batch_size=8",
    "training.num_workers=0",
    "training.warmup_steps=50",
)
# The backbone whose ImageNet weights a package of the index has, and Speck-n's: starts are equal.
LITE = ("model.backbone=tf_efficientnet_lite0", "model.width=64", "training.start=imagenet")
# Two stages that a processor carries: more than any picture of the set holds, a thin second one.
THIN = ("model.num_proposals=1000", "model.hidden_width=256")
COCO_YOLOV4_TINY = "yolov4-tiny-coco-darknet/yolov4-tiny"
COCO_YOLOV5N = "yolov5n-v7.0-coco-pt/yolov5n"
COCO_NANO = "mobilenetv2-yolov3-nano-coco-darknet/MobileNetV2-YOLOv3-Nano-coco"


@dataclass(frozen=True)
class Row:
    """A family, or a variant or start of one.

    Args:
        name: of the row and of its run's folder.
        config: file of the recipes that come with smalldet.
        start: what its weights start from, in words.
        overrides: of the recipe, beside those of all rows; `{weights}` is the folder of foreign
            checkpoints.
        parity: models of the parity report that speak for it.
        trains: False for those too slow for a processor's minutes: timed with random weights.
    """

    name: str
    config: str
    start: str
    overrides: tuple[str, ...] = ()
    parity: tuple[str, ...] = ()
    trains: bool = True

    def assignments(self, shared: Path, minutes: float) -> list[str]:
        """`section.key=value` on top of the recipe's file."""
        source = f"data.train=[{{annotations: {shared / 'data' / 'hituav' / 'train.json'}}}]"
        own = [text.format(weights=shared / "weights") for text in self.overrides]
        return [source, *SAME, f"training.minutes={minutes:g}", *own]

    def recipe(self, shared: Path, minutes: float, train: Index) -> TrainRecipe:
        """What is trained, with its anchors, as the run's folder keeps it."""
        assignments = tuple(self.assignments(shared, minutes))
        return fitted(read_recipe(FOLDER / self.config, assignments), train)


def _yolo(name: str, config: str, parity: tuple[str, ...], *overrides: str) -> Row:
    given = (f"model.network={name}", "training.start=scratch", *overrides)
    return Row(name, config, "scratch", given, parity)


def _untrained(row: Row) -> Row:
    return replace(row, trains=False)


ROWS = (
    Row("speck-n", "speck-n-thermal.yaml", "ImageNet backbone"),
    _yolo("yolov3-tiny", "yolov3.yaml", ("yolov3-tiny",)),
    Row(
        "yolov3-nano-coco",
        "yolov3.yaml",
        "COCO",
        (
            f"model.network={{weights}}/{COCO_NANO}.cfg",
            f"training.start={{weights}}/{COCO_NANO}.weights",
            f"training.class_names={{weights}}/{Path(COCO_NANO).parent}/coco.names",
        ),
        ("mobilenetv2-yolov3-nano",),
    ),
    _untrained(_yolo("yolov3", "yolov3.yaml", ("yolov3",))),
    _untrained(_yolo("yolov3-spp", "yolov3.yaml", ("yolov3-spp",))),
    _yolo("yolov4-tiny", "yolov4-tiny.yaml", ("yolov4-tiny",)),
    Row(
        "yolov4-tiny-coco",
        "yolov4-tiny.yaml",
        "COCO",
        (
            f"training.start={{weights}}/{COCO_YOLOV4_TINY}.weights",
            f"training.class_names={{weights}}/{Path(COCO_YOLOV4_TINY).parent}/coco.names",
        ),
        ("yolov4-tiny",),
    ),
    _untrained(_yolo("yolov4", "yolov4-tiny.yaml", ("yolov4",))),
    _yolo("yolov5n", "yolov5.yaml", ("yolov5n",)),
    Row(
        "yolov5n-coco",
        "yolov5.yaml",
        "COCO",
        ("model.network=yolov5n", f"training.start={{weights}}/{COCO_YOLOV5N}.pt"),
        ("yolov5n",),
    ),
    _untrained(_yolo("yolov5n-p2", "yolov5.yaml", ())),
    _untrained(_yolo("yolov5s", "yolov5.yaml", ("yolov5s",))),
    Row("faster_rcnn", "faster_rcnn.yaml", "ImageNet backbone", (*LITE, *THIN), ("faster_rcnn",)),
    Row("mask_rcnn", "mask_rcnn.yaml", "ImageNet backbone", (*LITE, *THIN), ("mask_rcnn",)),
    Row("retinanet", "retinanet.yaml", "ImageNet backbone", LITE, ("retinanet",)),
)
