"""Which modules of the network a detector looks at, for detectors that look inside it."""

from __future__ import annotations

from inspector.api import Network


def last_modules(network: Network, count: int) -> list[str]:
    """Return the last normalisations, or where there are none the last hidden other layers.

    In the order of computing. The last layer of all is left out: its output are the logits.
    """
    modules = network.modules
    names = [module.name for module in modules if module.kind == "norm"]
    if not names:
        names = [module.name for module in modules][:-1] or [module.name for module in modules]
    return names[-count:]
