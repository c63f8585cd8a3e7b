"""Writing a model spec: the same sections and keys as are read, with a word on each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inspector.intake.models.spec import SCHEMA
from inspector.intake.models.spec_fields import SECTIONS

_HEAD = """\
# How Inspector runs this model: what its file says, what the analyst stated, and what was measured
# on the labels. Change what is wrong and give it with `inspector scan --spec FILE`; a line that is
# left out is measured again.
"""
_NOTES = {
    "file": "beside this file, or given with --model",
    "sha256": "another file is refused",
    "container": "auto | state_dict | pickled-module | torchscript-weights | safetensors",
    "select": 'key inside the file; "" = the top',
    "strip_prefix": "taken off every name, in this order",
    "ignore": "names that are no weights; * stands for anything",
    "strict": "false: tensors that the network lacks are left out",
    "family": "builtin | torchvision | timm | plugin",
    "args": "numbers, text, true or false",
    "mode": "RGB | BGR | L",
    "size": "height, width of the model's input",
    "resize": "none | shorter-side | exact",
    "resize_to": "pixels before the crop",
    "interpolation": "nearest | bilinear | bicubic",
    "crop": "none | center",
    "scale": "pixel values are divided by it",
    "normalize_inside_model": "mean and std come from the model's own buffers",
    "orientation": "ignore | exif",
    "names": "in the order of the model's answers",
    "map": "class of the data = number of the model's answer, when they differ",
    "kind": "logits | probabilities | log-probabilities",
    "layer": "module whose output is looked at; else the input of the last linear layer",
}
_ALWAYS_ESCAPED = {*range(0x7F, 0xA0), *range(0x200B, 0x2010), *range(0x2028, 0x202F)}
_ALWAYS_ESCAPED |= {*range(0x2066, 0x206A), 0xFEFF, *range(0xD800, 0xE000)}


def spec_text(values: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a spec as TOML; `parse_spec` reads it back.

    Parameters
    ----------
    values : mapping of str to mapping
        By section and key, as `ModelSpec.stated`. None leaves a key out.
    """
    lines = [_HEAD + f'schema = "{SCHEMA}"']
    for section, known in SECTIONS.items():
        held = {key: values.get(section, {}).get(key) for key in known}
        if all(value is None for value in held.values()):
            continue
        lines.append(f"\n[{section}]")
        for key, value in held.items():
            if value is not None:
                line = f"{key} = {_value(value)}"
                note = _NOTES.get(key)
                lines.append(f"{line}  # {note}" if note and len(line) < 72 else line)
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_quoted(key)} = {_value(held)}" for key, held in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)


def _quoted(text: str) -> str:
    """Return a basic string of TOML; what could fool an eye in an editor is escaped."""
    out = []
    for letter in text:
        code = ord(letter)
        if letter in '"\\':
            out.append("\\" + letter)
        elif 0xD800 <= code < 0xE000:
            out.append("\\uFFFD")  # half of a surrogate pair is no character of TOML
        elif code < 0x20 or code in _ALWAYS_ESCAPED:
            out.append(f"\\u{code:04X}")
        else:
            out.append(letter)
    return f'"{"".join(out)}"'
