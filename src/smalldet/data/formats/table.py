"""The formats of labels, in one table. A new one is a file of its own and a line here."""

from __future__ import annotations

from smalldet.data.formats import (
    coco,
    coco_splits,
    csv_openimages,
    csv_pixels,
    csv_retinanet,
    cvat,
    dota,
    fiftyone,
    label_studio,
    labelme,
    rolabelimg,
    tfrecord,
    vector,
    visdrone,
    voc,
    voc_sets,
    xview,
    yolo_folder,
    yolo_text,
    yolo_yaml,
)
from smalldet.data.formats.label_format import LabelFormat, label_format

# The first that recognises a file or folder reads it.
FORMATS: tuple[LabelFormat, ...] = (
    coco_splits.FORMAT,
    label_format("YOLO with data.yaml", "data.yaml of Ultralytics or Roboflow", yolo_yaml),
    label_format("Open Images", "a CSV with ImageID, LabelName, XMin, ...", csv_openimages),
    label_format("CSV", "a CSV with image_path, xmin, ymin, xmax, ymax, label", csv_pixels),
    label_format("keras-retinanet", "a CSV of path,x1,y1,x2,y2,class", csv_retinanet),
    label_format("TFRecord", ".record or .tfrecord files of TensorFlow", tfrecord),
    label_format("CVAT", "an XML of CVAT for images", cvat),
    label_format("Label Studio", "a json export of Label Studio", label_studio),
    label_format("FiftyOne", "a folder with samples.json and data/", fiftyone),
    label_format("xView", "a GeoJSON of xView", xview),
    label_format("vector layers", "GeoPackage, Shapefile or GeoJSON; images: GeoTIFFs", vector),
    label_format("LabelMe", "a folder of LabelMe json", labelme),
    coco.FORMAT,
    label_format("roLabelImg, HRSC2016", "a folder of XML with oriented boxes", rolabelimg),
    voc.FORMAT,
    label_format("Pascal VOC by lists", "Annotations/, JPEGImages/, ImageSets/Main/", voc_sets),
    label_format("VisDrone", "annotations/ with lines of 8 numbers, images/", visdrone),
    label_format("YOLO", "images/ and labels/ without a data.yaml", yolo_folder),
    yolo_text.FORMAT,
    dota.FORMAT,
)
