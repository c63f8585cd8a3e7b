"""What the program texts of a TorchScript archive say of its layers, read as text and never run.

A traced convolution keeps stride and padding in the text of its class alone:
``torch._convolution(x, weight, None, [2, 2], [3, 3], [1, 1], False, [0, 0], 1, …)``.
"""

from __future__ import annotations

import re

from inspector.intake.models.archives import Archive
from inspector.intake.models.hints import LayerHint, Setting

_MAX_TEXT = 4 * 1024 * 1024
_MAX_OPERATIONS = 200

_CALL = re.compile(
    r"\btorch\.(?P<name>_convolution|conv2d|max_pool2d|avg_pool2d|adaptive_avg_pool2d"
    r"|adaptive_max_pool2d|relu_?|relu6_?|elu_?|selu_?|celu_?|gelu|silu_?|mish_?|leaky_relu_?"
    r"|hardswish_?|hardsigmoid_?|hardtanh_?|sigmoid_?|tanh_?|softplus|prelu"
    r"|batch_norm|group_norm|layer_norm|linear|addmm|flatten)\((?P<arguments>[^()\n]{0,500})"
    # A scripted module reaches activations through functions of torch.nn.functional.
    r"|__torch__\.torch\.nn\.functional\.(?:___torch_mangle_\d+\.)?(?P<function>\w{1,40})\b"
)
_CONSTANT = re.compile(
    r"^  (?P<name>\w{1,40}) : Final\[[^\n=]{1,80}\] = (?P<value>[^\n]{1,120})$", re.M
)
_CLASS = re.compile(r"^class (\w{1,200})\(", re.M)
_NUMBER = re.compile(r"-?\d{1,12}(\.\d*)?([eE]-?\d{1,3})?")

# Names of modules by the function that they call.
_KINDS = {
    "convolution": "Conv2d",
    "conv2d": "Conv2d",
    "max_pool2d": "MaxPool2d",
    "avg_pool2d": "AvgPool2d",
    "adaptive_avg_pool2d": "AdaptiveAvgPool2d",
    "adaptive_max_pool2d": "AdaptiveMaxPool2d",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "elu": "ELU",
    "selu": "SELU",
    "celu": "CELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
    "leaky_relu": "LeakyReLU",
    "hardswish": "Hardswish",
    "hardsigmoid": "Hardsigmoid",
    "hardtanh": "Hardtanh",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softplus": "Softplus",
    "prelu": "PReLU",
    "batch_norm": "BatchNorm2d",
    "group_norm": "GroupNorm",
    "layer_norm": "LayerNorm",
    "linear": "Linear",
    "addmm": "Linear",
    "flatten": "Flatten",
}
# Names of the arguments that are settings, by their place.
_ARGUMENTS: dict[str, dict[int, str]] = {
    "convolution": {3: "stride", 4: "padding", 5: "dilation", 8: "groups"},
    "conv2d": {3: "stride", 4: "padding", 5: "dilation", 6: "groups"},
    "max_pool2d": {1: "kernel_size", 2: "stride", 3: "padding", 4: "dilation"},
    "avg_pool2d": {1: "kernel_size", 2: "stride", 3: "padding"},
    "adaptive_avg_pool2d": {1: "output_size"},
    "adaptive_max_pool2d": {1: "output_size"},
    "elu": {1: "alpha"},
    "celu": {1: "alpha"},
    "leaky_relu": {1: "negative_slope"},
    "batch_norm": {7: "eps"},
    "group_norm": {1: "num_groups", 4: "eps"},
    "layer_norm": {1: "normalized_shape", 4: "eps"},
}


def program_texts(archive: Archive) -> list[str]:
    """Return the names of the program texts in an archive."""
    return [name for name in archive.members if name.startswith("code/") and name.endswith(".py")]


def operations(archive: Archive) -> dict[str, list[LayerHint]]:
    """Read which operations each class of a TorchScript program calls, with their settings.

    Returns
    -------
    dict of str to list of LayerHint
        By the class as the pickle names it ("__torch__.torch.nn.modules.conv.Conv2d"); the hints
        have no name, since a class can stand in several places.
    """
    found: dict[str, list[LayerHint]] = {}
    for name in program_texts(archive):
        if archive.members[name].size > _MAX_TEXT:
            continue
        module = name.removeprefix("code/").removesuffix(".py").replace("/", ".")
        text = archive.bytes_of(name).decode("utf-8", "replace")
        starts = [*_CLASS.finditer(text)]
        for place, start in enumerate(starts):
            stop = starts[place + 1].start() if place + 1 < len(starts) else len(text)
            body = text[start.start() : stop]
            found[f"{module}.{start[1]}"] = _operations(body, start[1])
    return found


def _operations(body: str, kind: str) -> list[LayerHint]:
    constants: dict[str, Setting] = {}
    for match in _CONSTANT.finditer(body):
        value = _value(match["value"])
        if value is not None and len(constants) < 32:
            constants[match["name"]] = value
    found: list[LayerHint] = []
    for match in _CALL.finditer(body):
        name = (match["name"] or match["function"]).lstrip("_").rstrip("_")
        if name not in _KINDS:
            continue
        places = _ARGUMENTS.get(name, {})
        settings: dict[str, Setting] = {}
        for place, part in enumerate(_split(match["arguments"] or "")):
            value = _value(part) if place in places else None
            if value is not None:
                settings[places[place]] = value
        hint = LayerHint("", _KINDS[name], settings)
        if hint not in found and len(found) < _MAX_OPERATIONS:
            found.append(hint)
    if constants and len(found) <= 1:
        said = found[0] if found else LayerHint("", kind, {})
        return [LayerHint("", said.kind, {**constants, **said.settings})]
    return found


def _split(arguments: str) -> list[str]:
    """Split at commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(arguments):
        depth += (sign in "[(") - (sign in "])")
        if sign == "," and depth == 0:
            parts.append(arguments[start:place].strip())
            start = place + 1
    return [*parts, arguments[start:].strip()]


def _value(text: str) -> Setting | None:
    """Read a number, a truth value, or a list of them; None for anything else."""
    text = text.strip()
    if text[:1] in "[(" and text[-1:] in "])":
        parts = [_value(part) for part in _split(text[1:-1]) if part]
        if parts and len(parts) <= 8 and not any(isinstance(p, tuple) or p is None for p in parts):
            return tuple(part for part in parts if part is not None and not isinstance(part, tuple))
        return None
    if text in ("True", "False"):
        return text == "True"
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)
