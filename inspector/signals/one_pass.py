"""One pass over the data: everything that the network says about every sample."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from inspector.api import Control
from inspector.errors import BadInput, InspectorError
from inspector.signals import machine
from inspector.signals.conv_gradients import ConvGradients, last_convolutions
from inspector.signals.decoding import Decoder, frame_of
from inspector.signals.forward import Forward, prepared
from inspector.signals.gradients import GradientSketch
from inspector.signals.hooks import ActivationTap
from inspector.signals.layers import choose_layers
from inspector.signals.measuring import Measurement, columns, course_columns
from inspector.signals.plan import Plan, budget, largest_output, make_plan
from inspector.signals.signal_set import SignalSet
from inspector.signals.store import Progress, SignalStore
from inspector.signals.streams import in_order
from inspector.signals.writing import ChunkWriter

if TYPE_CHECKING:
    from inspector.intake.datasets import Dataset
    from inspector.intake.models import SuspectModel

STAGE = "Signals"
"""Name of the stage in progress reports."""

_UNKNOWN_SIZE_BLOCK = 256
"""Samples of a block at most where each is a file of its own, so that reports keep coming."""

MOST_STREAMS = 16

_REMARKS = ("accuracy", "accuracy_sample", "tried", "notes", "doubt")
"""What a model's description says beside what it computes."""

_RESERVE = 16 << 20
"""Bytes that a pass leaves free, for the journal and the progress file."""


def compute_signals(
    model: SuspectModel,
    dataset: Dataset,
    folder: Path,
    *,
    rows: NDArray[np.integer] | None = None,
    layer: str | None = None,
    layers: Sequence[str] = (),
    device: str = "cpu",
    batch: int | None = None,
    sketch: int = 0,
    conv_sketch: int = 0,
    seed: int = 0,
    control: Control | None = None,
    stage: str = STAGE,
    course: bool = False,
) -> SignalSet:
    """Run every sample through the network once and write what comes out.

    The same call after a kill, a cancel or a full disk goes on after the last finished chunk and
    ends with the same bytes as a pass in one go on the same machine. A folder holds one pass: other
    evidence or settings start it anew.

    Parameters
    ----------
    model : SuspectModel
        Its network is in eval mode; hooks, device and memory layout are as before afterwards.
    dataset : Dataset
    folder : Path
        Where the arrays are written; created when missing.
    rows : ndarray, shape (m,), int, optional
        Samples to assess, in any order; None for all.
    layer : str, optional
        Module whose output is taken as activations, in place of the last linear layer's input.
    layers : sequence of str
        Further modules whose outputs are kept, pooled over places; ("auto",) for the last modules
        of the stages before the last, see `choose_layers`.
    device : str
        A torch device.
    batch : int, optional
        Samples in one forward pass; by default chosen from the machine and the network's cost.
    sketch : int
        Dimensions of the full-network per-sample gradients; 0 leaves them out.
    conv_sketch : int
        Dimensions of the gradient directions at the last convolutions; 0 leaves them out, and so
        does a network in which they cannot be followed.
    seed : int
        Seed of the sketches.
    control : Control, optional
        Looked at several times a second; progress counts samples.
    stage : str
        Name of the stage in progress reports.
    course : bool
        Keep only how well the labels are fitted ("loss", "margin", "assessed"): for a network that
        is an earlier checkpoint of the one under examination.

    Returns
    -------
    SignalSet

    Raises
    ------
    BadInput
        A row, layer or device is not there, or the network's answer has another shape than
        expected.
    InspectorError
        The disk is full or refuses, the evidence vanished, or memory is short. What was finished
        is kept.
    Cancelled
        By ``control``; what was computed is kept.
    """
    started = time.monotonic()
    control = control or Control()
    wanted = _wanted(rows, len(dataset))
    place = _device(device)
    if (batch is not None and batch < 1) or sketch < 0:
        raise BadInput(
            f"A batch of {batch} samples with a sketch of {sketch} dimensions is not possible.",
            "",
            "Give a batch of at least 1 and a sketch of 0 (none) or more dimensions.",
        )
    with ExitStack() as stack:
        streams, threads = _streams(machine.cores(), alone=sketch > 0)
        stack.enter_context(machine.memory_kept_at_hand())
        stack.enter_context(machine.torch_threads(threads))
        stack.enter_context(prepared(model.network, place))
        further = _further(model, layer, layers)
        tap = stack.enter_context(ActivationTap(model.network, _head(model), layer, further))
        convolutions = _convolutions(model, place, 0 if course else conv_sketch, seed, control)
        if convolutions is not None:
            stack.enter_context(convolutions)
        forward = Forward(model.network, tap, model.num_classes, place, convolutions)
        plan, width, widths = _plan(model, forward, dataset, place, threads, batch)
        control.check()
        colour = model.preprocess.channels == 3
        frame = frame_of(dataset, wanted, colour, control)
        control.check()
        layout = course_columns()
        if not course:
            m = conv_sketch if convolutions is not None else 0
            layout = columns(model.num_classes, width, frame.shape, sketch, widths, m)
        inputs = {
            **_identity(model, dataset, control),
            "rows": hashlib.sha256(wanted.tobytes()).hexdigest(),
            "layer": tap.name,
            "layers": list(further),
            "device": place.type,
            "batch": batch,
            "seed": seed if sketch or convolutions is not None else None,
            "torch": torch.__version__,
        }
        begin = Progress(plan.batch, plan.block)
        store = stack.enter_context(SignalStore(folder, layout, len(dataset), inputs, begin))
        resumed, block = store.progress.done, store.progress.block
        _check_space(store, len(wanted) - resumed)
        control.progress(stage, resumed, len(wanted), "Measuring samples")
        stopped = threading.Event()
        decoder = Decoder(dataset, model.preprocess, frame, stopped)
        measurement = Measurement(
            forward,
            dataset.labels,
            store.progress.batch,
            GradientSketch(model.network, model.num_classes, sketch, seed) if sketch else None,
            plan.sketch,
            stopped,
            tuple(layout),
        )
        parts = [wanted[start : start + block] for start in range(resumed, len(wanted), block)]
        blocks = in_order(
            lambda part: measurement.measure(decoder.block(part)),
            parts,
            streams=streams,
            threads=threads,
            stopped=stopped,
            control=control,
        )
        with ChunkWriter(store, started) as writer, closing(blocks):
            for measured in blocks:
                writer.take(measured)
                control.progress(stage, writer.taken, len(wanted), "Measuring samples")
        return SignalSet(
            arrays={name: store.path(name) for name in layout},
            unreadable=store.unreadable(),
            seconds=store.progress.seconds,
            resumed_from=resumed,
            layers=further,
        )


def _wanted(rows: NDArray[np.integer] | None, n: int) -> NDArray[np.int64]:
    if rows is None:
        return np.arange(n, dtype=np.int64)
    wanted = np.unique(np.asarray(rows, np.int64))
    if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < n:
        raise BadInput(
            f"Row {wanted[0] if wanted[0] < 0 else wanted[-1]} is not in the dataset.",
            f"It has {n:,} samples, counted from 0.",
        )
    return wanted


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise BadInput(
            f"The device {name!r} cannot be used.",
            f"torch says: {str(error).splitlines()[0][:200]}",
            "Use --device cpu.",
        ) from None
    return device


def _streams(cores: int, alone: bool) -> tuple[int, int]:
    """Return how many batches are computed at once, and with how many threads each.

    ``alone`` is for torch.func, which exchanges the parameters of the one network while it runs.
    """
    streams = 1 if alone else min(cores, MOST_STREAMS)
    return streams, max(1, cores // streams)


def _head(model: SuspectModel) -> str:
    """Return the last linear layer, or what stands in for it (SqueezeNet ends in a convolution)."""
    if model.head:
        return model.head
    modules = dict(model.network.named_modules())
    weighted = [name for name in model.layers if hasattr(modules.get(name), "weight")]
    return weighted[-1] if weighted else ""


def _plan(
    model: SuspectModel,
    forward: Forward,
    dataset: Dataset,
    device: torch.device,
    threads: int,
    batch: int | None,
) -> tuple[Plan, int, list[int]]:
    """Return the sizes of the pass and the numbers of activations, measured on a black image."""
    example = torch.zeros(1, model.preprocess.channels, *model.preprocess.size)
    said = forward(example)
    width = int(said.activations.shape[1])
    plan = make_plan(
        budget(device, threads),
        operations=model.operations,
        largest=largest_output(model.network, forward.place(example)),
        parameters=sum(value.nbytes for value in model.network.parameters()),
        sample=example.nbytes,
        batch=batch,
        block=None if dataset.image_shape else _UNKNOWN_SIZE_BLOCK,
    )
    return plan, width, [int(part.shape[1]) for part in said.further]


def _convolutions(
    model: SuspectModel, device: torch.device, m: int, seed: int, control: Control
) -> ConvGradients | None:
    """Return what takes the gradients at the last convolutions, if it can be done at all."""
    if not m:
        return None
    shape = 2, model.preprocess.channels, *model.preprocess.size
    example = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)
    network = model.network
    try:
        found = ConvGradients(network, last_convolutions(network, model.layers), m, seed)
        with found:
            found.run(lambda: network(example), lambda said: said, torch.zeros(2).long())
    except (BadInput, RuntimeError, TypeError, AttributeError) as error:
        control.log(f"Gradients of convolutions are left out: {str(error).splitlines()[0][:200]}")
        return None
    return found


def _further(model: SuspectModel, layer: str | None, layers: Sequence[str]) -> tuple[str, ...]:
    """Return the layers that are looked at beside the last."""
    if not layers:
        return ()
    place = next((value.device for value in model.network.parameters()), torch.device("cpu"))
    shape = 2, model.preprocess.channels, *model.preprocess.size
    example = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(place)
    with ActivationTap(model.network, _head(model), layer) as tap, torch.inference_mode():
        _, activations, _ = tap.run(model.network, example)
    return choose_layers(model.network, model.layers, example, activations, layers)


def _identity(model: SuspectModel, dataset: Dataset, control: Control) -> dict[str, Any]:
    """Return what tells the evidence apart from other evidence."""
    return {
        "model": {key: value for key, value in model.spec().items() if key not in _REMARKS},
        "data": dataset.digest(control),
        "labels": hashlib.sha256(dataset.labels.tobytes()).hexdigest(),
    }


def _check_space(store: SignalStore, samples: int) -> None:
    """Refuse a pass that cannot fit before it has cost an hour."""
    try:
        found = os.statvfs(store.folder)
    except OSError:
        return
    free, needed = found.f_bavail * found.f_frsize, store.bytes_of(samples)
    if free < needed + _RESERVE:
        raise InspectorError(
            f"The signals of {samples:,} samples do not fit on the disk of {store.folder}.",
            f"They take {needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free.",
            "Free space, keep the case on another disk, or assess fewer samples with --limit.",
        )
