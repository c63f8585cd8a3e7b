"""What a plan of drills says: attacks, and the sizes, opacities and rates of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QLineEdit, QWidget

from inspector.case import Case
from inspector.engine.client.drill import (
    ARCHITECTURES,
    ATTACKS,
    PATCHED,
    PLACES,
    DrillPlan,
    grid,
    quietest_class,
)
from inspector.errors import BadInput, InspectorError
from inspector.gui.number_box import count_box
from inspector.gui.plain import plain

_ABREAST = 5
MOST = 200
"""Drills in one plan."""

_NETWORKS = {
    "own": "a copy of the case's model, fine-tuned",
    "plain-cnn": "a small plain network, from nothing",
    "resnet": "a small residual network, from nothing",
}


class DrillForm(QWidget):
    """Fields of a plan; every combination becomes a drill.

    Signals
    -------
    changed
        Something else is asked for.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.attacks = {name: QCheckBox(name, self) for name in ATTACKS}
        self.sizes, self.opacities, self.rates = (QLineEdit(self) for _ in range(3))
        self.target, self.place, self.network = (QComboBox(self) for _ in range(3))
        self.epochs, self.images, self.audit = count_box(), count_box(), count_box()
        self.attacks["patch"].setChecked(True)
        self.sizes.setPlaceholderText("a ninth of the picture")
        self.sizes.setToolTip("Sides of a patch in pixels, such as 2, 4; other attacks have none")
        self.opacities.setPlaceholderText("the attack's own")
        self.opacities.setToolTip("Strengths of the trigger between 0 and 1, such as 0.3, 1")
        self.rates.setText("0.5, 2")
        self.rates.setToolTip("Shares of the pictures that are poisoned, in per cent")
        self.place.addItems(PLACES)
        for name in ARCHITECTURES:
            self.network.addItem(_NETWORKS.get(name, name), name)
        self.epochs.setRange(1, 100)
        self.epochs.setValue(5)
        self.epochs.setToolTip("Three times that from nothing")
        self.images.setRange(50, 50_000)
        self.images.setValue(2000)
        self.images.setToolTip("Random pictures that are used; a fifth is held out to measure on")
        self.audit.setRange(0, 5000)
        self.audit.setToolTip(
            "Random members of the target class that are taken as verified, as after an audit of "
            "that size; 0 for a scan that nobody audited"
        )
        self._lay_out()
        for box in self.attacks.values():
            box.toggled.connect(self._on_changed)
        for line in (self.sizes, self.opacities, self.rates):
            line.textChanged.connect(self._on_changed)
        for choice in (self.target, self.place, self.network):
            choice.currentIndexChanged.connect(self._on_changed)
        for number in (self.epochs, self.images, self.audit):
            number.valueChanged.connect(self._on_changed)
        self._on_changed()

    def _lay_out(self) -> None:
        form = QGridLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(10)
        boxes = QGridLayout()
        boxes.setHorizontalSpacing(16)
        boxes.setVerticalSpacing(6)
        for at, box in enumerate(self.attacks.values()):
            boxes.addWidget(box, at // _ABREAST, at % _ABREAST)
        boxes.setColumnStretch(_ABREAST, 1)
        form.addWidget(QLabel("Attacks", self), 0, 0)
        form.addLayout(boxes, 0, 1, 1, 5)
        fields = (
            ("Sizes, px", self.sizes), ("Opacities", self.opacities), ("Rates, %", self.rates),
            ("Towards", self.target), ("Place", self.place), ("Epochs", self.epochs),
        )  # fmt: skip
        for at, (word, field) in enumerate(fields):
            form.addWidget(QLabel(word, self), 1 + at // 3, 2 * (at % 3))
            form.addWidget(field, 1 + at // 3, 2 * (at % 3) + 1)
        form.addWidget(QLabel("Learner", self), 3, 0)
        form.addWidget(self.network, 3, 1, 1, 3)
        form.addWidget(QLabel("Pictures", self), 3, 4)
        form.addWidget(self.images, 3, 5)
        form.addWidget(QLabel("Verified", self), 4, 0)
        form.addWidget(self.audit, 4, 1)
        for column in (1, 3, 5):
            form.setColumnStretch(column, 1)

    def use(self, case: Case | None) -> None:
        """List the classes of a case; the quietest one is chosen at first."""
        names = [] if case is None else [plain(name, 60) for name in case.class_names]
        shown = [self.target.itemText(at) for at in range(self.target.count())]
        if shown == names:
            return
        self.target.clear()
        self.target.addItems(names)
        try:
            self.target.setCurrentIndex(quietest_class(case) if case is not None else -1)
        except (InspectorError, LookupError, TypeError, ValueError):
            self.target.setCurrentIndex(0)  # Not scanned: there is nothing to go by yet.

    def plans(self) -> list[DrillPlan]:
        """Return one plan for every combination.

        Raises
        ------
        BadInput
            No attack is ticked, a list is none of numbers, or one of them is out of range.
        """
        chosen = [name for name, box in self.attacks.items() if box.isChecked()]
        if not chosen:
            raise BadInput("No attack is ticked.", "", "Tick one or more.")
        sizes = numbers("Sizes", self.sizes.text(), int)
        opacities = numbers("Opacities", self.opacities.text(), float)
        rates = numbers("Rates", self.rates.text(), float)
        if not rates:
            raise BadInput("No poison rate is given.", "", "Give some in per cent, such as 0.5, 2.")
        found = []
        for attack in chosen:
            base = DrillPlan(
                target=max(self.target.currentIndex(), 0),
                attack=attack,
                place=self.place.currentText(),
                epochs=self.epochs.value(),
                images=self.images.value(),
                audit=self.audit.value(),
            )
            found += grid(
                base,
                sizes=sizes or [None],
                opacities=opacities or [None],
                rates=[rate / 100 for rate in rates],
                learning_rates=[base.learning_rate],
                architectures=[self.network.currentData()],
            )
        if len(found) > MOST:
            raise BadInput(f"These are {len(found):,} drills.", f"A plan may have {MOST}.")
        return found

    def _on_changed(self, _: object = None) -> None:
        patched = any(self.attacks[name].isChecked() for name in PATCHED)
        self.sizes.setEnabled(patched)
        self.place.setEnabled(patched)
        self.changed.emit()


def numbers(what: str, text: str, kind: Callable[[str], Any]) -> list[Any]:
    """Return the numbers of a list with commas, each once; none of an empty one.

    Raises
    ------
    BadInput
        A part is no number.
    """
    parts = [part.strip() for part in text.replace(";", ",").split(",")]
    try:
        return list(dict.fromkeys(kind(part) for part in parts if part))
    except ValueError:
        raise BadInput(
            f"{what}: {plain(text, 60)} is no list of numbers.", "", "Such as 2, 4."
        ) from None
