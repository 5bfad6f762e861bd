"""Teacher: a trained Speck from which another one learns beside the labels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from smalldet.class_names import positions_of
from smalldet.models.detector import Detector, Outputs
from smalldet.models.fuse_batchnorm import fuse_batchnorm
from smalldet.models.losses import quality_focal_loss
from smalldet.models.speck.detector import Speck
from smalldet.models.speck.options import LossOptions

# under it the teacher's boxes are of nothing
LEAST_SCORE = 0.05


class Teacher(nn.Module):
    """Asks a learner for the scores, the boxes and the features of a teacher, at every location.

    A location of the teacher's network says more than a label: how certain, where the edges are,
    and what is nearly an object. Objects without a label are taught too.

    Args:
        given: the teacher, in any precision.
        learner: of the same strides and tile; its neck is watched.

    Raises:
        ValueError: one of them is no Speck, or their strides, the form of their boxes or all of
            their classes differ.

    Source: distillation of quality scores as in Generalized Focal Loss's successor LD (Zheng et al.
        2022, arXiv 2102.12252), features as in FitNets (Romero et al. 2015, arXiv 1412.6550).
    """

    def __init__(self, given: Detector, learner: Detector) -> None:
        super().__init__()
        if not isinstance(given, Speck) or not isinstance(learner, Speck):
            raise ValueError("training.teacher: teacher and learner must both be of family speck")
        if given.strides != learner.strides:
            raise ValueError(
                f"training.teacher: its strides {list(given.strides)} are not those of the "
                f"learner, {list(learner.strides)}"
            )
        if given.head.oriented != learner.head.oriented:
            raise ValueError(
                "training.teacher: one of teacher and learner finds oriented boxes and the other "
                "upright ones"
            )
        places = positions_of(learner.class_names, given.class_names)
        self.own = [i for i, place in enumerate(places) if place >= 0]
        self.theirs = [places[i] for i in self.own]
        if not self.own:
            raise ValueError(
                f"training.teacher: it knows {', '.join(given.class_names)} and none of "
                f"{', '.join(learner.class_names)}"
            )
        fused = fuse_batchnorm(given).eval().requires_grad_(False)
        assert isinstance(fused, Speck)
        self.given = fused
        self._features: dict[str, list[Tensor]] = {}
        for name, detector in (("given", fused), ("learner", learner)):
            detector.neck.register_forward_hook(self._note(name))

    def train(self, mode: bool = True) -> Teacher:
        return self  # the teacher learns nothing

    def forward(self, outputs: Outputs, images: Tensor) -> dict[str, Tensor]:
        """Terms of the loss, for the learner's outputs of pictures that it has just seen."""
        learner_features = self._features.pop("learner")
        with torch.no_grad():
            wanted_logits, wanted_codes = self.given.network(images)[:2]
        scores = wanted_logits[..., self.theirs].float().sigmoid()
        logits, codes = outputs[0][..., self.own].float(), outputs[1]
        classes = quality_focal_loss(logits, scores).sum() / scores.sum().clamp(min=1.0)
        size = (images.shape[-2], images.shape[-1])
        best = scores.amax(-1)
        sure = best > LEAST_SCORE
        boxes = self.given.all_boxes(codes, size)[0][sure]
        wanted = self.given.all_boxes(wanted_codes, size)[0][sure]
        errors = self.given.form.loss(boxes, wanted, LossOptions()) * best[sure]
        return {
            "teacher_class": classes,
            "teacher_box": 2 * errors.sum() / best[sure].sum().clamp(min=1.0),
            "teacher_features": _unlike(learner_features, self._features.pop("given")),
        }

    def _note(self, name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, features: list[Tensor]) -> None:
            self._features[name] = features

        return hook


def _unlike(features: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Mean squared difference in parts of the teacher's variance, of levels that both have."""
    parts = [
        ((own.float() - theirs.float()).square().mean((0, 2, 3)) / theirs.float().var((0, 2, 3)))
        for own, theirs in zip(features, wanted, strict=True)
        if own.shape == theirs.shape
    ]
    return torch.stack([part.mean() for part in parts]).mean() if parts else torch.zeros(())
