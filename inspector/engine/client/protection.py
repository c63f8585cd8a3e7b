"""Words for the layers of the sandbox: what each takes away, and what may be said after a crash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LAYERS: dict[str, str] = {
    "landlock": "files: it reads the evidence and Python, and writes into the case's folder alone",
    "seccomp": "calls: no sockets, no other programs or processes, no looking into others",
    "netns": "network: it has none, not even this machine itself",
    "process": "process: no privileges, not to be inspected, dies with the app",
    "rlimits": "limits: memory, sizes of files, number of open files, no core dump",
}
"""What every layer is for, the strongest first; the keys are what an engine reports."""


def missing_layers(layers: Iterable[str]) -> list[str]:
    """Return the names of the layers that are not among those in force."""
    present = {layer.split()[0] for layer in layers if layer.split()}
    return [name for name in LAYERS if name not in present]


def brief(layers: Sequence[str]) -> str:
    """Return a few words for the status bar; "" when nothing is known."""
    if not layers:
        return ""
    missing = missing_layers(layers)
    return "sandboxed" if not missing else f"sandbox without {', '.join(missing)}"


def explained(layers: Sequence[str]) -> str:
    """Return one line per layer, in force or not, for a tooltip."""
    missing = missing_layers(layers)
    versions = {layer.split()[0]: layer for layer in layers if layer.split()}
    lines = ["The engine reads evidence behind these layers:"]
    lines += [f"{versions[n]}: in force. {LAYERS[n]}" for n in LAYERS if n not in missing]
    lines += [f"{name}: not offered here. {LAYERS[name]}" for name in missing]
    return "\n".join(lines)


def after_a_crash(ready: bool, layers: Sequence[str]) -> str:
    """Return what holds of everything else when an engine has died, as a sentence.

    Parameters
    ----------
    ready : bool
        Whether it had come as far as reading anything.
    layers : sequence of str
        What was in force.
    """
    if not ready:
        return "It had not read anything yet; the evidence was not touched."
    missing = missing_layers(layers)
    if "landlock" not in missing and {"netns", "seccomp"} - set(missing):
        return "Nothing outside the sandbox was touched."
    held = ", ".join(layers) or "nothing"
    return (
        f"This kernel offers only a part of the sandbox ({held}; no {', '.join(missing)}), so that"
        " it is not certain that nothing else was touched."
    )
