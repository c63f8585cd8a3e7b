"""A drill tells a loud attack from none worth the name, and leaves model and data alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inspector.drill.detectability import audited, auroc, class_rank, draw_audit, found_at


def test_areas_and_rates_of_known_rankings() -> None:
    planted = np.array([True, True, False, False, False])
    assert auroc(np.array([5.0, 4, 3, 2, 1]), planted) == 1
    assert auroc(np.array([1.0, 2, 3, 4, 5]), planted) == 0
    assert auroc(np.ones(5), planted) == 0.5
    assert auroc(np.array([np.nan, np.nan, 3, 2, 1]), planted) == 0
    scores = np.concatenate([[99.5, 200.0, -1.0], np.arange(100)])
    flags = np.arange(103) < 3
    assert found_at(scores, flags) == pytest.approx(2 / 3)


def test_the_rank_of_the_best_poisoned_class() -> None:
    classes = [{"index": i, "statistic": s} for i, s in enumerate([1.0, 5.0, None, 3.0])]
    assert class_rank(classes, np.array([1])) == 1
    assert class_rank(classes, np.array([0, 3])) == 2
    assert class_rank(classes, np.array([2])) is None


def test_an_audit_draws_members_and_recognises_poison() -> None:
    labels = np.repeat([0, 1, 2], 100)
    planted = (np.arange(300) >= 100) & (np.arange(300) < 150)  # half of class 1
    codes, recognised = draw_audit(labels, planted, np.array([1]), 40, np.random.default_rng(0))
    assert set(labels[codes == 1]) == {1}
    assert not (planted & (codes == 1)).any()
    assert recognised + codes.sum() == 40
    assert 10 <= recognised <= 30
    assert draw_audit(labels, planted, np.array([2]), 999, np.random.default_rng(0))[0].sum() == 50


def test_what_an_audit_selects_is_counted() -> None:
    planted = np.array([True, True, False, False])
    classes = [{"index": 0, "p_value": 0.5}, {"index": 1, "p_value": 0.01}]
    q_value = np.array([0.05, 0.5, 0.05, np.nan])
    assert audited(classes, q_value, planted, np.array([1])) == {
        "p_value": 0.01,
        "selected": 0.5,
        "false": 0.5,
    }
    nothing = audited([{"index": 1, "p_value": None}], q_value * np.nan, planted, np.array([1]))
    assert nothing == {"p_value": None, "selected": None, "false": None}


@pytest.mark.slow
def test_every_attack_goes_through_and_every_architecture_learns(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from inspector import places
    from inspector.detectors import discover
    from inspector.drill import Course, digits, train_network
    from inspector.drill.copies import ARCHITECTURES
    from inspector.drill.exercise import Plan, exercise
    from inspector.drill.families import FAMILIES
    from inspector.drill.planted_data import PlantedData
    from inspector.intake.models import load_model
    from inspector.intake.models.networks.plain_cnn import PlainCNN

    images, labels = digits(16)
    images, labels = images[:500, ..., None], labels[:500]
    names = [str(label) for label in range(10)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = PlainCNN(1, 10, 16, widths=(8, 16), hidden=32)
    train_network(network, images, labels, course=Course(6))
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    suspect = load_model(tmp_path / "model.safetensors", PlantedData(images, labels, names))
    weights = {name: value.clone() for name, value in suspect.network.state_dict().items()}
    entries = [
        entry
        for entry in discover([places.bundled_plugins()])
        if entry.status == "ready" and entry.info and entry.info.by_default
    ]
    before = images.copy()

    def drilled(attack: str, architecture: str = "own", epochs: int = 1) -> dict[str, object]:
        plan = Plan(attack, 0.03, 4, architecture=architecture, epochs=epochs)
        return exercise(suspect, images, labels, names, plan, entries=entries, folder=tmp_path)

    for attack in FAMILIES:
        found = drilled(attack)
        assert found["planted"] == 12, attack
        assert 0 <= float(str(found["auroc"])) <= 1
    for architecture in ARCHITECTURES[1:]:
        found = drilled("patch", architecture, epochs=3)
        assert float(str(found["accuracy"])) > 0.5, architecture
    np.testing.assert_array_equal(images, before)
    for name, value in suspect.network.state_dict().items():
        assert torch.equal(value, weights[name]), name
    with pytest.raises(Exception, match="no attack"):
        drilled("magic")
