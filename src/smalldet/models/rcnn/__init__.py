"""Faster R-CNN, Mask R-CNN and RetinaNet on the modules of torchvision."""
