"""The formats of labels, in one table. A new one is a file of its own and a line here."""

from __future__ import annotations

from smalldet.data.formats import (
    coco,
    coco_splits,
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
from smalldet.data.formats.label_format import LabelFormat, label_format

# The first that recognises a file or folder reads it.
FORMATS: tuple[LabelFormat, ...] = (
    label_format("COCO", "train.json and val.json, or annotations/instances_*.json", coco_splits),
    label_format("YOLO with data.yaml", "data.yaml of Ultralytics or Roboflow", yolo_yaml, "yolo"),
    label_format("Open Images", "a CSV with ImageID, LabelName, XMin, ...", csv_openimages),
    label_format("CSV", "a CSV with image_path, xmin, ymin, xmax, ymax, label", csv_pixels, "csv"),
    label_format(
        "keras-retinanet", "a CSV of path,x1,y1,x2,y2,class", csv_retinanet, "retinanet-csv"
    ),
    label_format("TFRecord", ".record or .tfrecord files of TensorFlow", tfrecord, "tfrecord"),
    label_format("CVAT", "an XML of CVAT for images", cvat),
    label_format("Label Studio", "a json export of Label Studio", label_studio),
    label_format("FiftyOne", "a folder with samples.json and data/", fiftyone),
    label_format("xView", "a GeoJSON of xView", xview),
    label_format(
        "vector layers", "GeoPackage, Shapefile or GeoJSON; images: GeoTIFFs", vector, "geojson"
    ),
    label_format("LabelMe", "a folder of LabelMe json", labelme),
    label_format("COCO json", "a json of images, annotations, categories", coco, "coco"),
    label_format("HRSC2016", "FullDataSet/, or a folder of its XML", hrsc2016),
    label_format(
        "roLabelImg", "a folder of XML with robndbox; DIOR-R has it too", rolabelimg, "rolabelimg"
    ),
    label_format(
        "Pascal VOC", "a folder of XML, or Annotations/ and ImageSets/Main/", voc_sets, "voc"
    ),
    label_format("VisDrone", "annotations/ with lines of 8 numbers, images/", visdrone, "visdrone"),
    label_format("YOLO", "images/ and labels/ without a data.yaml", yolo_folder),
    label_format(
        "DOTA",
        "labelTxt/ with lines of 8 corners, class, difficult, and images/",
        dota_text,
        "dota",
    ),
)


WRITERS = {one.writer.name: one.writer for one in FORMATS if one.writer is not None}
"""How labelled pictures are written, by the names that are typed."""
