"""Putting weights into the network that they were recognised as."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from inspector.errors import BadInput
from inspector.intake.models.answers import Answers
from inspector.intake.models.candidates import Candidate, countless, make_network, shapes_of
from inspector.intake.models.ranking import differences
from inspector.intake.models.signatures import Signature
from inspector.intake.models.torchvision_models import without_storage


def build_network(
    candidate: Candidate, tensors: Mapping[str, Tensor], answers: Answers | None = None
) -> nn.Module:
    """Build a network with these weights, ready to be looked at.

    Parameters
    ----------
    candidate : Candidate
        From `recognise`.
    tensors : mapping of str to Tensor
        The weights; every one must find its place and none may be missing.
    answers : Answers, optional
        How its output becomes logits in the order of the data's classes.

    Returns
    -------
    Module
        On the CPU, float32, in evaluation mode, no parameter requires a gradient, no layer works in
        place (so that what a hook sees is not overwritten afterwards). Weights of convolutions lie
        channels last, which every convolution after the first inherits: 2.5 times as fast for the
        plain network of tutorials, 1.0 to 1.3 times for the others (torch 2.15, one core).

    Raises
    ------
    BadInput
        The weights do not fit.
    """
    network = without_storage(lambda: make_network(candidate))
    try:
        _fill(network, tensors)
        if any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers())):
            # Buffers that are not part of a state_dict are computed when the network is made.
            network = make_network(candidate)
            _fill(network, tensors)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise _misfit(candidate, tensors, error) from None
    for module in network.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    network = network.float().eval().requires_grad_(False)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if answers is not None:
        answers.attach(network)
    return network


def _misfit(candidate: Candidate, tensors: Mapping[str, Tensor], error: Exception) -> BadInput:
    """Say which tensors stand in the way, by comparing with the network that was asked for."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    why = f"{lines[-1].strip()[:300]}."
    try:
        wanted = shapes_of(without_storage(lambda: make_network(candidate)))
    except Exception:  # it cannot be made at all: the first error says why
        wanted = {}
    if wanted:
        there = countless({key: tuple(tensor.shape) for key, tensor in tensors.items()})
        found = differences(Signature(candidate.name, frozenset(), "", wanted), there)
        why = f"{'; '.join(found)}." if found else why
    return BadInput(
        f"The weights do not fit into {candidate.name}.",
        why.replace("..", "."),
        "Give another architecture, or correct what the spec states about it or about the names"
        " of the weights ([weights] strip_prefix, ignore).",
    )


def _fill(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    expected = network.state_dict()
    state: OrderedDict[str, Tensor] = OrderedDict()
    for key, tensor in tensors.items():
        state[key] = tensor.float() if tensor.is_floating_point() else tensor
    for key in expected:
        # The counter is missing in checkpoints before PyTorch 0.4.1 and is not used in evaluation.
        if key.endswith("num_batches_tracked"):
            state.setdefault(key, torch.zeros((), dtype=torch.int64))
    # With the versions of the classes at hand: without them torchvision's MNASNet refuses to load.
    state._metadata = expected._metadata  # type: ignore[attr-defined]
    network.load_state_dict(state, strict=True, assign=True)
