"""The public contract for detectors. Plugins and bundled detectors are written against this alone.

A detector is a class with an ``info`` and a ``run``::

    class Brightness:
        info = DetectorInfo(id="brightness", title="Brightness", summary="...", version="1.0",
                            needs=("thumbnails",))

        def run(self, ctx, **parameters):
            yield Progress(0, 1, "looking")
            scores = ctx.signal("thumbnails").reshape(ctx.n, -1).mean(axis=1)
            return Finding(scores=scores, caveats=("Bright pictures are not poison.",))

    DETECTORS = [Brightness]

``run`` is a generator: every ``yield Progress(...)`` is a point where the analyst can pause or
cancel. Nothing here imports more than numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from inspector.network import Forward as Forward
from inspector.network import Module as Module
from inspector.network import Network as Network
from inspector.network import Reduce as Reduce
from inspector.network import Slope as Slope

T = TypeVar("T")

API = 1
"""The version of this contract. A detector states the one that it was written for."""

Verdict = Literal["none", "low", "medium", "high"]
VERDICTS: tuple[Verdict, ...] = ("none", "low", "medium", "high")

SIGNALS: dict[str, str] = {
    "labels": "(n,) int32, index into the class names",
    "logits": "(n, C) float32, what the model answers",
    "activations": "(n, d) float32, input of the last linear layer (or of the chosen layer)",
    "residuals": "(n, C) float32, softmax(logits) minus one-hot label: gradient at the logits",
    "loss": "(n,) float32, cross-entropy at the given label, nats",
    "predicted": "(n,) int32, argmax of the logits",
    "thumbnails": "(n, h, w, c) uint8, at most 64 pixels on a side",
    "pixel_sha256": "(n, 32) uint8, SHA-256 of the decoded pixels: equal for equal pictures",
    "gradients": "(n, k) float32, full-network loss gradients, projected (by option)",
    "conv_gradients": "(n, m) float32, gradient directions of the last convolutions, projected, "
    "each of length 1 (by option)",
    "loss_course": "(n, K) float32, loss at K earlier checkpoints, oldest first (by option)",
    "layers": "(n, D) float32, earlier layers pooled over places, side by side; see Context.layers",
    "margin_course": "(n, K) float32, log of the odds of the label at the same checkpoints",
    "combined": "(n,) float32, the combined ranking of the run; what needs it runs after the rest",
}
"""The signals that a detector may name in ``needs``, with their shapes."""

BY_OPTION = frozenset({"gradients", "conv_gradients", "layers", "loss_course", "margin_course"})
"""Those that are only there when an analyst asks for them or gives more evidence."""


@dataclass(frozen=True)
class Parameter:
    """One setting of a detector; the form in the window and ``scan --set`` are generated from it.

    The type of ``default`` is that of every value. ``scales_passes`` says that the detector's extra
    passes grow with the value in proportion.
    """

    name: str
    default: float | int | str | bool
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    scales_passes: bool = False


@dataclass(frozen=True)
class DetectorInfo:
    """What a detector is, what it needs and what it costs.

    Attributes
    ----------
    id : str
        Short stable name in lower case with hyphens, the key in JSON.
    title, summary : str
        Name and one sentence for people.
    version : str
        Version of the detector; recorded with every finding.
    needs : tuple of str
        Names out of `SIGNALS`.
    passes : float
        Extra passes over the data with the defaults, in forward passes of the model; 0 when signals
        suffice. A pass back counts as two.
    at_most : int
        How many samples at most the passes are over; 0 for all.
    in_ranking : bool
        Whether the combined ranking uses the scores. Plugins are shown beside it, not mixed in.
    by_default : bool
        Whether a scan runs it when no detectors are named. One with extra passes never is.
    parameters : tuple of Parameter
        Settings of `run`.
    reference : str
        Paper: author, year, title.
    api : int
        Version of the contract that the detector was written for.
    """

    id: str
    title: str
    summary: str
    version: str
    needs: tuple[str, ...] = ("activations",)
    passes: float = 0.0
    in_ranking: bool = False
    parameters: tuple[Parameter, ...] = ()
    reference: str = ""
    api: int = API
    by_default: bool = True
    at_most: int = 0


@dataclass(frozen=True)
class Progress:
    """How far a run is. ``done`` never falls; ``total`` is 0 while unknown."""

    done: int
    total: int
    text: str = ""


@dataclass(frozen=True)
class ClassResult:
    """What a detector says of one class; a larger ``statistic`` is more suspicious."""

    index: int
    statistic: float
    p_value: float | None = None
    verdict: Verdict = "none"


@dataclass(frozen=True)
class Pictures:
    """One map per sample for some samples: where in its picture a score comes from.

    Shown over the picture of the sample, and kept in the case as evidence for its score.

    Attributes
    ----------
    rows : ndarray, shape (m,), int
        Rows of the context, each once.
    maps : ndarray, shape (m, h, w), uint8
        0 = nothing, 255 = most, over all that the network sees of the picture (`Network.pixels`);
        at most `LARGEST_MAP` pixels on a side.
    title : str
        What the maps show, in a few words.
    """

    rows: NDArray[np.integer]
    maps: NDArray[np.uint8]
    title: str


LARGEST_MAP = 64
"""Pixels on a side of a map: as many as thumbnails have."""


@dataclass
class Finding:
    """What one detector run concluded.

    Attributes
    ----------
    scores : ndarray, shape (n,), float32
        One score per sample, higher = more suspicious, NaN = not assessed.
    classes : sequence of ClassResult
        One row per assessed class.
    verdict : str
        One of `VERDICTS`; without calibration at most "medium".
    caveats : sequence of str
        What the scores do not show. At least one sentence.
    artifacts : mapping of str to ndarray
        Named arrays worth looking at: spectra, mean images.
    pictures : Pictures, optional
        What is shown with single samples.
    """

    scores: NDArray[np.float32]
    classes: Sequence[ClassResult] = ()
    verdict: Verdict = "none"
    caveats: Sequence[str] = ()
    artifacts: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    pictures: Pictures | None = None


class Context:
    """What a detector may look at: read-only signals of the assessed samples, a seeded generator.

    Parameters
    ----------
    signals : mapping of str to (ndarray or callable)
        Arrays with n rows by name; a callable is evaluated once, when first asked for.
    class_names : sequence of str
        Names in index order.
    seed : int
        Seed of `rng`.
    cancelled : callable
        Raises when the analyst cancelled; blocks while paused.
    images : callable, optional
        ``images(rows)`` returns a list of (H, W, C) uint8 arrays, decoded on demand.
    shared : dict, optional
        Where `shared` keeps its values; the contexts of one run have one in common.
    forward : callable, optional
        ``forward(images)`` runs pictures through the model; see `forward`.
    network : callable, optional
        Returns the opened network; called when a detector first asks; see `network`.
    """

    def __init__(
        self,
        signals: Mapping[str, NDArray[Any] | Callable[[], NDArray[Any]]],
        class_names: Sequence[str],
        seed: int = 0,
        cancelled: Callable[[], None] = lambda: None,
        images: Callable[[Sequence[int]], list[NDArray[np.uint8]]] | None = None,
        shared: dict[Hashable, Any] | None = None,
        forward: Forward | None = None,
        network: Callable[[], Network] | None = None,
    ) -> None:
        self._signals = dict(signals)
        self._shared: dict[Hashable, Any] = {} if shared is None else shared
        self._images = images
        self._forward = forward
        self._network = network
        self.forwarded = 0
        self.class_names = tuple(class_names)
        self.check_cancelled = cancelled
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        self.messages: list[str] = []

    @property
    def n(self) -> int:
        """Number of assessed samples."""
        return int(self.labels.shape[0])

    @property
    def labels(self) -> NDArray[np.int32]:
        """Labels, shape (n,), int32."""
        return self.signal("labels")

    def has(self, name: str) -> bool:
        """Tell whether a signal is there."""
        return name in self._signals

    def signal(self, name: str) -> NDArray[Any]:
        """Return a signal as a read-only array; see `SIGNALS` for shapes.

        Raises
        ------
        KeyError
            The signal was not computed for this case.
        """
        value = self._signals[name]
        if callable(value):
            value = self._signals[name] = value()
        view = value.view()
        view.flags.writeable = False
        return view

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the signals that hold one earlier layer each, "layer:NAME", (n, d) float32."""
        return tuple(name for name in self._signals if name.startswith("layer:"))

    def images(self, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Return the decoded images of some rows, each (H, W, C) uint8.

        Raises
        ------
        KeyError
            The evidence is not at hand, only signals are.
        """
        if self._images is None:
            raise KeyError("images")
        return self._images(rows)

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make()`` gives, computed once for all detectors of a run that use the key.

        For what several detectors derive from the same signals and none of them changes. The key
        should begin with the name of the derived thing, so that plugins do not meet by chance.
        """
        if key not in self._shared:
            self._shared[key] = make()
        found: T = self._shared[key]
        return found

    @property
    def can_forward(self) -> bool:
        """Whether pictures can be run through the model: the evidence is at hand."""
        return self._forward is not None and self._images is not None

    def forward(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the model's logits, (b, C) float32, for pictures (H, W, C) uint8 of any kind.

        Declare in ``passes`` how many a detector needs, in passes over the assessed samples; their
        number is counted in `forwarded`.

        Raises
        ------
        KeyError
            The model is not at hand.
        """
        if self._forward is None:
            raise KeyError("forward")
        self.check_cancelled()
        self.forwarded += len(images)
        return self._forward(images)

    @property
    def network(self) -> Network:
        """The network itself, for what logits do not show. Passes are declared as for `forward`.

        Raises
        ------
        KeyError
            The model is not at hand.
        """
        if self._network is None:
            raise KeyError("network")
        self.check_cancelled()
        return self._network()

    def by_class(self) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """Yield each class index that has samples with its rows, in class order."""
        order = np.argsort(self.labels, kind="stable")
        values, starts = np.unique(self.labels[order], return_index=True)
        for value, rows in zip(values, np.split(order, starts[1:])):
            if value >= 0:
                yield int(value), rows

    def log(self, message: str) -> None:
        """Leave a line for the journal and the log panel."""
        self.messages.append(str(message))


@runtime_checkable
class Detector(Protocol):
    """A detector: metadata, and a generator that yields `Progress` and returns a `Finding`."""

    info: DetectorInfo

    def run(self, ctx: Context, **parameters: Any) -> Generator[Progress, None, Finding]:
        """Score every sample of the context."""
        ...


class Control:
    """How a long computation reports and is stopped. This base class does nothing: use it in tests.

    The engine's own control throttles reports, raises `inspector.errors.Cancelled` from `check`
    after a cancel, and blocks in it while paused.
    """

    def check(self) -> None:
        """Raise when cancelled, block while paused. Call between chunks, at least every 0.3 s."""

    def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
        """Report how far a stage is; ``done`` never falls within a stage."""

    def preview(self, name: str, values: Mapping[str, Any]) -> None:
        """Send small named numbers or (short) lists while the computation runs."""

    def ends_early(self) -> bool:
        """Tell whether the analyst wants the end now, with what there is so far.

        Ask it between steps. A computation that has something to conclude with concludes and returns;
        one that has not goes on.
        """
        return False

    def log(self, message: str) -> None:
        """Leave a line for the log panel."""
