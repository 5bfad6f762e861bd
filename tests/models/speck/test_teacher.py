"""A teacher asks a learner for what it finds itself, and for nothing else."""

from __future__ import annotations

import pytest
import torch

from smalldet.models.speck.config import SpeckConfig
from smalldet.models.speck.detector import Speck
from smalldet.models.speck.teacher import Teacher

SMALL = SpeckConfig(backbone="test_efficientnet", width=16)


def built(*class_names: str, **options: object) -> Speck:
    torch.manual_seed(0)
    config = SpeckConfig.model_validate({**SMALL.model_dump(), **options})
    detector = config.build(class_names, 64)
    with torch.no_grad():  # as if trained: it is sure of some places and not of others
        for output in detector.head.class_outputs:
            output.weight.normal_(std=1.0)  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    return detector.eval()


def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def terms(teacher: Teacher, learner: Speck) -> dict[str, torch.Tensor]:
    return teacher(learner.network(pictures()), pictures())


def test_a_learner_like_its_teacher_has_nothing_to_learn() -> None:
    learner = built("car", "ship")
    for name, term in terms(Teacher(built("car", "ship"), learner), learner).items():
        assert term.item() == pytest.approx(0, abs=1e-4), name


def test_classes_meet_by_name_and_new_ones_are_left_alone() -> None:
    learner = built("Ship", "plane", "car")
    teacher = Teacher(built("car", "ship"), learner)
    outputs = learner.network(pictures())
    outputs[0].retain_grad()
    torch.stack(list(teacher(outputs, pictures()).values())).sum().backward()
    slopes = outputs[0].grad
    assert slopes is not None
    assert slopes[..., 1].abs().max() == 0, "the teacher knows no plane"
    assert slopes[..., 0].abs().max() > 0
    assert slopes[..., 2].abs().max() > 0


def test_learning_brings_the_learner_nearer() -> None:
    learner = built("car", "ship", packed=True)
    teacher = Teacher(built("car", "ship", width=16), learner)
    optimiser = torch.optim.AdamW(learner.parameters(), lr=3e-3)
    course: list[float] = []
    for _ in range(25):
        loss = torch.stack(list(terms(teacher, learner).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        course.append(loss.item())
    assert course[-1] < 0.5 * course[0]


def test_the_teacher_itself_does_not_learn() -> None:
    learner = built("car")
    teacher = Teacher(built("car"), learner)
    teacher.train()
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert not any(module.training for module in teacher.given.modules())


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (("car",), {"strides": (8, 16)}, "strides"),
        (("dog",), {}, "knows dog and none of car"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(
    names: tuple[str, ...], options: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Teacher(built(*names, **options), built("car"))
