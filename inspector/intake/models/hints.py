"""What a model file says beside its weights, for those who have to guess the rest.

Hints come from strangers. They say what to try first; what is true is measured on the data.
"""

from __future__ import annotations

from dataclasses import dataclass

Setting = bool | int | float | str | tuple[bool | int | float | str, ...]
"""A plain value of a layer: a number, a short text, or a few of them."""


@dataclass(frozen=True)
class LayerHint:
    """What a file says of one layer.

    Attributes
    ----------
    name : str
        Where it stands, as in the names of the weights: "features.0"; prefixes are taken off.
    kind : str
        Its class without the module, such as "Conv2d", "MaxPool2d" or "ELU".
    settings : dict of str to Setting
        Such as ``{"kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1)}``; only those that
        the file names.
    """

    name: str
    kind: str
    settings: dict[str, Setting]


@dataclass(frozen=True)
class Hints:
    """What a file says of the network and of its training; empty where it says nothing.

    Attributes
    ----------
    source : str
        Where the hints were read, for people: "the pickled module", "config.json".
    architecture : str
        As the file calls it: "torchvision.models.resnet.ResNet", "preactresnet18", "resnet18".
    num_classes, in_channels : int or None
        Answers; channels of the input.
    layers : tuple of LayerHint
        The layers in the order of the file, those without weights among them.
    mean, std : tuple of float, or None
        Per channel, of pixel values between 0 and 1.
    size : tuple of int, or None
        Height and width of the network's input, pixels.
    interpolation : str
        "nearest", "bilinear" or "bicubic", for resizing.
    crop : float or None
        Share of the resized picture's side that is cut out of its middle.
    labels : tuple of str
        Names of the classes in the order of the answers.
    """

    source: str = ""
    architecture: str = ""
    num_classes: int | None = None
    in_channels: int | None = None
    layers: tuple[LayerHint, ...] = ()
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    interpolation: str = ""
    crop: float | None = None
    labels: tuple[str, ...] = ()

    @property
    def activations(self) -> tuple[str, ...]:
        """Kinds of activations that the layers name, each once, in order: ("ReLU",)."""
        kinds = (layer.kind for layer in self.layers if layer.kind in ACTIVATIONS)
        return tuple(dict.fromkeys(kinds))

    @property
    def poolings(self) -> tuple[LayerHint, ...]:
        """The pooling layers, in order."""
        return tuple(layer for layer in self.layers if "Pool" in layer.kind)

    def layer(self, name: str) -> LayerHint | None:
        """Return the layer of this name, or None."""
        return next((layer for layer in self.layers if layer.name == name), None)


ACTIVATIONS = frozenset(
    [
        "CELU",
        "ELU",
        "GELU",
        "GLU",
        "Hardsigmoid",
        "Hardswish",
        "Hardtanh",
        "LeakyReLU",
        "LogSigmoid",
        "Mish",
        "PReLU",
        "RReLU",
        "ReLU",
        "ReLU6",
        "SELU",
        "SiLU",
        "Sigmoid",
        "Softplus",
        "Softsign",
        "Swish",
        "Tanh",
    ]
)
"""Names of torch's activation modules."""
