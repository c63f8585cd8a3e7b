"""Building torchvision's classification networks without their pretrained weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import nn

from inspector.errors import InspectorError
from inspector.intake.models.networks.layer_chain import LayerChain

# With auxiliary heads, which train but do not answer. They also take long to initialise.
_AUXILIARY = ("googlenet", "inception_v3")
_fragment: torch.library.Library | None = None


def torchvision_models() -> ModuleType:
    """Import ``torchvision.models``, also where torchvision was built for another torch.

    torchvision from PyPI beside a CPU build of torch fails on import, because its compiled
    operators cannot be loaded (seen with torchvision 0.28). No classification network needs them,
    so their names are declared and the import is done again.

    Raises
    ------
    InspectorError
        torchvision cannot be imported at all.
    """
    global _fragment
    try:
        import torchvision.models
    except RuntimeError:
        _fragment = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            _fragment.define(f"{operator}(Tensor dets, Tensor scores, float threshold) -> Tensor")
        try:
            import torchvision.models
        except Exception as error:
            raise _missing(error) from error
    except ImportError as error:
        raise _missing(error) from error
    return torchvision.models


def _missing(error: Exception) -> InspectorError:
    return InspectorError(
        "torchvision cannot be imported.",
        f"{str(error).splitlines()[0]}.",
        "Install the torchvision that belongs to this torch: both from the same index.",
    )


def list_names() -> list[str]:
    """List the classification networks of the installed torchvision."""
    models = torchvision_models()
    return sorted(models.list_models(module=models))


def without_storage(make: Callable[[], nn.Module]) -> nn.Module:
    """Make a network on the meta device, which takes no memory and initialises nothing.

    RegNet and a few others compute with values while they are made, which the meta device refuses
    (torch 2.15); they are made on the CPU.
    """
    try:
        with torch.device("meta"):
            return make()
    except (NotImplementedError, RuntimeError):
        return make()


def build_torchvision(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Build a network by name, on the device of the surrounding context.

    Parameters
    ----------
    name : str
        As in `list_names`.
    arguments : mapping
        ``num_classes``, ``in_channels``; optionally ``auxiliary`` (bool), ``image_size`` (vision
        transformers), ``extra`` (other arguments of its class), ``stem_stride`` and ``stem_pool``
        (ResNets for small images), ``head`` (layers of a chain that stands in place of the last
        linear layer) and ``head_name``.
    """
    keywords: dict[str, Any] = {"num_classes": arguments["num_classes"]}
    if name in _AUXILIARY:
        keywords |= {"aux_logits": arguments.get("auxiliary", True), "init_weights": False}
    if "image_size" in arguments:
        keywords["image_size"] = arguments["image_size"]
    keywords |= arguments.get("extra", {})
    network = torchvision_models().get_model(name, weights=None, **keywords)
    if arguments["in_channels"] != 3:
        _replace_stem(network, arguments["in_channels"])
    if "stem_stride" in arguments:
        network.conv1.stride = (arguments["stem_stride"],) * 2
        if not arguments["stem_pool"]:
            network.maxpool = nn.Identity()
    if "head" in arguments:
        _replace_head(network, arguments["head_name"], arguments["head"], arguments["activation"])
    return network


def _replace_stem(network: nn.Module, in_channels: int) -> None:
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            parent, _, last = name.rpartition(".")
            made = nn.Conv2d(
                in_channels,
                module.out_channels,
                module.kernel_size,  # type: ignore[arg-type]
                module.stride,  # type: ignore[arg-type]
                module.padding,  # type: ignore[arg-type]
                bias=module.bias is not None,
            )
            setattr(network.get_submodule(parent), last, made)
            return


def _replace_head(
    network: nn.Module, name: str, layers: Sequence[Mapping[str, Any]], activation: str
) -> None:
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, LayerChain(layers, activation=activation))
