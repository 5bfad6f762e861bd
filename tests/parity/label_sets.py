"""A small sound set of labels of every format, written by hand as its own program writes it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from PIL import Image

from smalldet.data.formats import (
    coco,
    csv_openimages,
    csv_pixels,
    csv_retinanet,
    cvat,
    dota_text,
    fiftyone,
    hrsc2016,
    label_studio,
    labelme,
    rolabelimg,
    tfrecord,
    vector,
    visdrone,
    voc_sets,
    xview,
    yolo_folder,
    yolo_yaml,
)
from smalldet.data.formats.tf_example import example_bytes
from smalldet.data.formats.tfrecord_files import frame

SIZE = (60, 50)
MASK = "eJwDAAAAAAE="
SHAPES = [
    {"label": "car", "points": [[1, 2], [9, 8]], "shape_type": "rectangle", "flags": {}},
    {"label": "car", "points": [[1, 2], [9, 2], [9, 8], [1, 8]], "shape_type": "rotation"},
    {"label": "b", "points": [[1, 2], [9, 2], [9, 8]], "shape_type": "polygon"},
    {"label": "b", "points": [[20, 20], [22, 20]], "shape_type": "circle"},
]
PERCENT = {"original_width": 60, "original_height": 50, "image_rotation": 0}
RESULTS = [
    {"type": kind, "value": {"rotation": 5, **value, kind: ["car"]}, **PERCENT}
    for kind, value in {
        "rectanglelabels": {"x": 10, "y": 25, "width": 20, "height": 30},
        "polygonlabels": {"points": [[1, 2], [30, 2], [3, 40]]},
        "ellipselabels": {"x": 40, "y": 50, "radiusX": 10, "radiusY": 20},
    }.items()
]
DETECTIONS = [
    {"label": "car", "bounding_box": [0.1, 0.2, 0.3, 0.4], "mask": MASK},
    {"label": "car", "bounding_box": [0.1, 0.2, 0.3, 0.4], "iscrowd": 1, "attributes": {}},
]
SAMPLE = {"filepath": "images/a.png", "truth": {"_cls": "Detections", "detections": DETECTIONS}}
XVIEW = {"image_id": "a.png", "bounds_imcoords": "1,2,30,40", "type_id": 18}
CVAT = """<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>
<meta><task><labels><label><name>car</name></label></labels></task></meta>
<image id="0" name="a.png" width="60" height="50"><box label="car" occluded="0" xtl="10" ytl="20"
xbr="30" ybr="40" rotation="5"><attribute name="difficult">true</attribute></box>
<polygon label="car" points="1,2;3,4;5,1"/><ellipse label="car" cx="20" cy="20" rx="3" ry="4"/>
<mask label="car" rle="3,3" left="1" top="2" width="2" height="3"/></image></annotations>"""
COCO = {
    "images": [
        {"id": 1, "file_name": "a.png", "width": 60, "height": 50, "gsd_m": 0.5,
         "not_exhaustive_category_ids": [2]},
        {"id": 7, "file_name": "b.png", "width": 60, "height": 50},
    ],
    "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "ship"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 9, 8], "rbbox": [5, 5, 4, 2, 1]},
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [1.5, 2, 9, 8], "iscrowd": 1,
         "segmentation": {"size": [50, 60], "counts": [1000, 1000, 1000]}},
        {"id": 3, "image_id": 7, "category_id": 2, "bbox": [1, 2, 9, 8], "difficult": 1,
         "segmentation": [[1, 2, 9, 2, 9, 9, 1, 9]]},
    ],
}  # fmt: skip
OPEN = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,"
    "IsDepiction,IsInside\na,x,/m/2,1,0.1,0.3,0.2,0.8,0,0,0,0,0\n"
    "b,x,/m/3,1,0.1,0.3,0.2,0.8,0,0,1,0,0\n"
)
VOC = (
    "<?xml version='1.0' encoding='utf-8'?>\n<annotation><size><width>60</width><height>50</height>"
    "</size><object><name>boat</name><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>1</ymin>"
    "<xmax>5</xmax><ymax>5</ymax></bndbox></object>\n<object><name>car</name><bndbox><xmin>11"
    "</xmin><ymin>21</ymin><xmax>15</xmax><ymax>25.5</ymax></bndbox></object></annotation>"
)
TURNED = (
    "<annotation><object><name>ship</name><robndbox><cx>30</cx><cy>25</cy><w>20</w><h>10</h>"
    "<angle>1</angle></robndbox></object><object><name>car</name><bndbox><xmin>1</xmin><ymin>2"
    "</ymin><xmax>11</xmax><ymax>8</ymax></bndbox></object></annotation>"
)
DIOR = (
    "<annotation><object><type>robndbox</type><name>ship</name><robndbox><x_left_top>10"
    "</x_left_top><y_left_top>5</y_left_top><x_right_top>40</x_right_top><y_right_top>9"
    "</y_right_top><x_right_bottom>38</x_right_bottom><y_right_bottom>24</y_right_bottom>"
    "<x_left_bottom>8</x_left_bottom><y_left_bottom>20</y_left_bottom></robndbox><angle>0</angle>"
    "</object></annotation>"
)
HRSC = (
    "<HRSC_Image><Img_Resolution>1.07</Img_Resolution><HRSC_Objects><HRSC_Object><Class_ID>13"
    "</Class_ID><difficult>0</difficult><mbox_cx>30</mbox_cx><mbox_cy>25</mbox_cy><mbox_w>20"
    "</mbox_w><mbox_h>10</mbox_h><mbox_ang>0.3</mbox_ang></HRSC_Object></HRSC_Objects></HRSC_Image>"
)
SQUARES = [
    {
        "type": "Feature",
        "properties": {"class": name, "difficult": 0},
        "geometry": {
            "type": "Polygon",
            "coordinates": [
                [[500_000 + x, 5_399_990 - y] for x, y in ((0, 0), (8, 0), (8, 5), (0, 5), (0, 0))]
            ],
        },
    }
    for name in ("car", "tree")
]
GEOJSON = {
    "type": "FeatureCollection",
    "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}},
    "features": SQUARES,
}


@dataclass(frozen=True)
class LabelSet:
    """A set of labels in a folder.

    Args:
        module: the format.
        files: {name in the folder: JSON value, text or bytes}; each is broken in turn.
        source: what is read in the folder; the folder itself if empty.
        options: of the reader.
        own_classes: the files do not name their classes.
    """

    module: Any
    files: dict[str, Any]
    source: str = ""
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    own_classes: bool = False

    def raw(self) -> dict[str, bytes]:
        """The files as they are when they are sound."""
        return {name: _raw(content) for name, content in self.files.items()}

    def save(self, folder: Path) -> Path:
        """Write the set with its two pictures, and give what is to be read."""
        for images in ("", "images", "JPEGImages"):
            (folder / images).mkdir(exist_ok=True)
            if images or self.module in (labelme, label_studio, coco, cvat):
                for stem in "ab":
                    Image.new("L", SIZE).save(folder / images / f"{stem}.png")
        for name, raw in self.raw().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(raw)
        if self.module is vector:
            _geotiff(folder / "x.tif")
        return folder / self.source


def _raw(content: Any) -> bytes:
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def _geotiff(path: Path) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", width=60, height=50, count=1, dtype="uint8", crs="EPSG:32633",
        transform=Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000),
    ) as file:  # fmt: skip
        file.write(np.full((1, 50, 60), 9, np.uint8))


def _example() -> bytes:
    corners = {"xmin": 0.1, "ymin": 0.2, "xmax": 0.4, "ymax": 0.5}
    # a picture of 60 x 50 px, as small as PNG allows
    encoded = bytes.fromhex(
        "89504e470d0a1a0a0000000d494844520000003c0000003201000000007a8be8450000000e49444154789c"
        "63601805a36000000190000120bd1cd30000000049454e44ae426082"
    )
    return example_bytes(
        {
            "image/encoded": [encoded],
            "image/filename": [b"a.png"],
            "image/width": np.array([60], dtype=np.int64),
            "image/height": np.array([50], dtype=np.int64),
            **{
                f"image/object/bbox/{side}": np.array([value, value], dtype=np.float32)
                for side, value in corners.items()
            },
            "image/object/class/text": [b"car", b"ship"],
            "image/object/class/label": np.array([1, 2], dtype=np.int64),
            "image/object/is_crowd": np.array([0, 1], dtype=np.int64),
        }
    )


MASKS = {"with_masks": True}
LABEL_SETS: dict[str, LabelSet] = {
    "YOLO, data.yaml": LabelSet(
        yolo_yaml,
        {
            "data.yaml": "path: .\ntrain: images\nnc: 2\nnames: {0: car, 1: ship}\n",
            "labels/a.txt": "0 0.5 0.5 0.1 0.2\n1 0.1 0.1 0.1 0.1\n",
        },
    ),
    "YOLO, oriented": LabelSet(
        yolo_yaml,
        {
            "data.yaml": "train: list.txt\nnames: [car]\n",
            "list.txt": "./images/a.png\n./images/b.png\n",
            "labels/a.txt": "0 0.2 0.2 0.4 0.2 0.4 0.6 0.2 0.6\n",
        },
    ),
    "YOLO, outlines": LabelSet(
        yolo_yaml,
        {
            "data.yaml": "train: images\nnames: [car]\n",
            "labels/a.txt": "0 0.2 0.2 0.4 0.2 0.4 0.6\n0 0.2 0.2 0.4 0.2 0.4 0.6 0.1 0.2\n",
        },
        options=MASKS,
    ),
    "YOLO, classes.txt": LabelSet(
        yolo_folder,
        {"labels/a.txt": "0 0.5 0.5 0.1 0.2\n1 0.1 0.1 0.1 0.1\n", "classes.txt": "car\nship\n"},
    ),
    "DOTA": LabelSet(
        dota_text,
        {"labelTxt/a.txt": "imagesource:x\ngsd:0.5\n1 2 9 2 9 8 1 8 car 0\n1 2 3 3 2 9 1 8 b\n"},
    ),
    "VisDrone": LabelSet(
        visdrone, {"annotations/a.txt": "1,2,3,4,1,4,0,0\n5,5,9,9,0,0,0,0,\n"}, own_classes=True
    ),
    "CSV": LabelSet(
        csv_pixels,
        {
            "train.csv": "image_path,xmin,ymin,xmax,ymax,label,difficult,gsd_m\n"
            "images/a.png,1,2,3,4,car,1,0.5\nimages/a.png,5,2,13.25,4,boat,0,0.5\n"
            "images/b.png,,,,,,,\n"
        },
        "train.csv",
    ),
    "keras-retinanet": LabelSet(
        csv_retinanet,
        {
            "train.csv": "images/a.png,1,2,3,4,car\nimages/b.png,,,,,\n",
            "classes.csv": "car,0\nship,1\n",
        },
        "train.csv",
    ),
    "Open Images": LabelSet(
        csv_openimages,
        {"boxes.csv": OPEN, "class-descriptions.csv": "/m/2,Car\n/m/3,Ship\n"},
        "boxes.csv",
    ),
    "Pascal VOC": LabelSet(
        voc_sets, {"Annotations/a.xml": VOC, "ImageSets/Main/train.txt": "a\nb\n"}
    ),
    "roLabelImg": LabelSet(rolabelimg, {"Annotations/a.xml": TURNED}),
    "DIOR-R": LabelSet(rolabelimg, {"Annotations/a.xml": DIOR}),
    "HRSC2016": LabelSet(hrsc2016, {"Annotations/a.xml": HRSC}, own_classes=True),
    "CVAT": LabelSet(cvat, {"annotations.xml": CVAT}, "annotations.xml", MASKS),
    "LabelMe": LabelSet(
        labelme, {"a.json": {"shapes": SHAPES, "imagePath": "images/a.png"}}, options=MASKS
    ),
    "Label Studio": LabelSet(
        label_studio,
        {"e.json": [{"data": {"image": "a.png"}, "annotations": [{"result": RESULTS}]}]},
        "e.json",
        MASKS,
    ),
    "FiftyOne": LabelSet(
        fiftyone,
        {"samples.json": {"samples": [SAMPLE]}, "metadata.json": {"default_classes": ["car"]}},
    ),
    "FiftyOne, masks": LabelSet(
        fiftyone,
        {
            "samples.json": {
                "samples": [
                    {**SAMPLE, "truth": {"_cls": "Detections", "detections": DETECTIONS[1:]}}
                ]
            },
            "metadata.json": {},
        },
        options=MASKS,
    ),
    "xView": LabelSet(
        xview,
        {"x.geojson": {"type": "FeatureCollection", "features": [{"properties": XVIEW}] * 3}},
        "x.geojson",
        own_classes=True,
    ),
    "COCO": LabelSet(coco, {"c.json": COCO}, "c.json", MASKS),
    "COCO, corners": LabelSet(
        coco, {"c.json": {**COCO, "annotations": COCO["annotations"][2:]}}, "c.json"
    ),
    "vector layers": LabelSet(vector, {"x.geojson": GEOJSON}, "x.geojson"),
    "TFRecord": LabelSet(tfrecord, {"a.record": frame(_example())}, "a.record"),
}
