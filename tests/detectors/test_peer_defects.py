"""Defects of other implementations that our further detectors must not have."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from inspector.api import Context
from inspector.detectors.art_spectral import ToolboxSpectral
from inspector.detectors.execution import run_detector
from inspector.detectors.scale_up import ScaleUp
from inspector.detectors.spectral import SpectralSignatures
from inspector.detectors.spectral_family import SpectralFamily
from inspector.detectors.spectre import Spectre
from inspector.detectors.strip import Strip, answer_entropy
from inspector.statistics.covariance import concentrated_moments, whitener
from inspector.statistics.quantum import quantum_entropy_scores


def _auroc(scores, truth):
    ranks = np.argsort(np.argsort(scores))
    positive = truth.sum()
    return (ranks[truth].sum() - positive * (positive - 1) / 2) / (positive * (~truth).sum())


def _whitened(seed=0, n=2000, k=32, share=0.03, shift=3.5):
    random = np.random.default_rng(seed)
    rows = random.standard_normal((n, k))
    truth = np.zeros(n, np.bool_)
    truth[: round(share * n)] = True
    rows[truth] += shift * np.eye(k)[:2].sum(axis=0) / np.sqrt(2)
    return rows, truth


def test_the_exponential_is_that_of_a_matrix():
    """Two ports of SPECTRE exponentiate each entry: weaker, and changed by a rotation."""
    rows, truth = _whitened()
    scores, objective = quantum_entropy_scores(rows)
    covariance = rows.T @ rows / len(rows)
    norm = np.linalg.eigvalsh(covariance)[-1]
    weight = expm(4 * (covariance - np.eye(32)) / (norm - 1))
    weight /= np.trace(weight)
    np.testing.assert_allclose(scores, np.einsum("ij,jk,ik->i", rows, weight, rows), rtol=1e-9)
    assert objective == pytest.approx(np.trace(covariance @ weight))
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((32, 32)))[0]
    np.testing.assert_allclose(quantum_entropy_scores(rows @ turn)[0], scores, rtol=1e-8)
    entries = np.exp(4 * (covariance - np.eye(32)) / (norm - 1))
    port = np.einsum("ij,jk,ik->i", rows, entries / np.trace(entries), rows)
    assert _auroc(scores, truth) > 0.95
    assert _auroc(scores, truth) > _auroc(port, truth) + 0.05


def test_alpha_goes_from_mahalanobis_to_the_top_direction():
    rows, _ = _whitened()
    np.testing.assert_allclose(
        quantum_entropy_scores(rows, 0.0)[0], (rows**2).mean(axis=1), rtol=1e-9
    )
    top = np.linalg.eigh(rows.T @ rows)[1][:, -1]
    np.testing.assert_allclose(
        quantum_entropy_scores(rows, 1e4)[0], (rows @ top) ** 2, rtol=1e-6, atol=1e-9
    )


def test_whitening_by_the_contaminated_sample_would_be_noise():
    """With its own covariance every class looks round; a robust one must be taken."""
    rows, truth = _whitened(shift=5.0)
    own = (rows - rows.mean(axis=0)) @ whitener(np.cov(rows.T, bias=True), 1e-12)
    location, bulk = concentrated_moments(rows, 0.85)
    robust = (rows - location) @ whitener(bulk, 1e-3)
    scores, objective = quantum_entropy_scores(robust)
    assert _auroc(scores, truth) > 0.99
    assert objective > 1.3
    assert quantum_entropy_scores(own)[1] == pytest.approx(1, abs=1e-6)


def _context(activations, labels, **more):
    signals = {
        "activations": activations.astype(np.float32),
        "labels": labels.astype(np.int32),
        "logits": activations[:, :3].astype(np.float32),
        **more,
    }
    return Context(signals, [str(index) for index in range(int(labels.max()) + 1)])


def _upside_down():
    random = np.random.default_rng(0)
    activations = random.standard_normal((1000, 8)) + [20, 0, 0, 0, 0, 0, 0, 0]
    truth = np.zeros(1000, np.bool_)
    truth[:60] = True
    activations[truth, 0] -= 8
    return activations, truth


def test_the_toolbox_parity_shows_what_the_toolbox_computes():
    """ART projects uncentred rows, and takes logits for activations; ours does so under its name."""
    activations, truth = _upside_down()
    ctx = _context(activations, np.zeros(1000))
    parity = run_detector(ToolboxSpectral(), ctx, {"signal": "activations"}).scores
    rows = activations.astype(np.float32)
    top = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][0]
    np.testing.assert_allclose(parity, np.abs(rows @ top), rtol=1e-3)
    assert _auroc(parity, truth) < 0.05
    of_logits = run_detector(ToolboxSpectral(), ctx).scores
    part = rows[:, :3]
    top = np.linalg.svd(part - part.mean(axis=0), full_matrices=False)[2][0]
    np.testing.assert_allclose(of_logits, np.abs(part @ top), rtol=1e-3)
    assert _auroc(run_detector(SpectralSignatures(), ctx).scores, truth) > 0.99


def test_the_family_holds_the_published_score_as_one_of_its_choices():
    random = np.random.default_rng(3)
    labels = np.arange(900) % 3
    activations = random.standard_normal((900, 12)) * np.linspace(3, 1, 12) + labels[:, None]
    ctx = _context(activations, labels)
    choice = {"whitening": "none", "score": "squared projection"}
    mine = run_detector(SpectralFamily(), ctx, choice).scores
    published = run_detector(SpectralSignatures(), ctx).scores
    np.testing.assert_allclose(mine, published, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("whitening", ["none", "others", "bulk"])
@pytest.mark.parametrize("signal", ["activations", "gradients", "normalised gradients"])
@pytest.mark.parametrize("score", ["squared projection", "quantum entropy", "radial kurtosis"])
def test_every_choice_of_the_family_runs_and_scores_all(signal, whitening, score):
    from inspector.testing.contexts import planted_context

    ctx, truth = planted_context(n=800, rate=0.04)
    finding = run_detector(
        SpectralFamily(), ctx, {"signal": signal, "whitening": whitening, "score": score}
    )
    assert np.isfinite(finding.scores).all()
    assert (finding.scores[truth] != finding.scores[~truth][: truth.sum()]).any()


def test_spectre_scores_every_class_and_finds_a_planted_one():
    """A port scores only the class with the largest norm; another crashes before it scores."""
    random = np.random.default_rng(4)
    labels = np.arange(2400) % 4
    activations = random.standard_normal((2400, 20)) * np.linspace(4, 1, 20)
    truth = np.zeros(2400, np.bool_)
    truth[np.flatnonzero(labels == 2)[:12]] = True
    activations[truth] += 14 * np.eye(20)[15]
    finding = run_detector(Spectre(), _context(activations, labels), {"share": 0.02})
    assert np.isfinite(finding.scores).all()
    inside = labels == 2
    assert _auroc(finding.scores[inside], truth[inside]) > 0.97


def test_entropy_is_over_the_classes_of_an_answer():
    """ART's STRIP normalises each class over the overlays and so measures something else."""
    sure = np.array([[9.0, 0, 0], [0, 9.0, 0]])
    unsure = np.zeros((2, 3))
    assert answer_entropy(sure).max() < 0.02
    np.testing.assert_allclose(answer_entropy(unsure), np.log2(3))


def _pictures_and_model(n=240):
    """Pictures of two classes by brightness; the model obeys a white corner before all else."""
    random = np.random.default_rng(7)
    kind = np.arange(n) % 2
    pictures = random.integers(20, 60, (n, 8, 8, 1)) + (kind * 60)[:, None, None, None]
    pictures = pictures.astype(np.uint8)
    truth = np.zeros(n, np.bool_)
    truth[np.flatnonzero(kind == 1)[:20]] = True
    pictures[truth, -2:, -2:] = 255
    labels = np.where(truth, 0, kind).astype(np.int32)

    def forward(images):
        stack = np.stack(images).astype(np.float32)
        bright = stack.mean(axis=(1, 2, 3)) / 255 - 0.28
        corner = stack[:, -2:, -2:].mean(axis=(1, 2, 3)) / 255
        rest = stack[:, :-2, :-2].mean(axis=(1, 2, 3)) / 255
        obeyed = 60 * np.maximum(corner - rest - 0.15, 0)
        return np.stack([-20 * bright + obeyed, 20 * bright], axis=1).astype(np.float32)

    logits = forward(list(pictures))
    signals = {
        "labels": labels,
        "logits": logits,
        "activations": logits,
        "predicted": logits.argmax(axis=1).astype(np.int32),
    }
    ctx = Context(
        signals,
        ["dark", "bright"],
        images=lambda rows: [pictures[int(row)].copy() for row in rows],
        forward=forward,
    )
    return ctx, truth, pictures


def test_strip_ranks_what_overrules_overlays_first_and_not_last():
    """BackdoorBench's STRIP ranks by entropy itself, upside down."""
    ctx, truth, _ = _pictures_and_model()
    finding = run_detector(Strip(), ctx)
    inside = ctx.labels == 0
    assert _auroc(finding.scores[inside], truth[inside]) > 0.9
    assert ctx.forwarded == 8 * ctx.n


def test_scale_up_scores_all_batches_with_more_than_six_values_and_spares_the_pictures():
    """BackdoorBox returns the first batch only; the published score cannot rank."""
    ctx, _, pictures = _pictures_and_model(400)
    before = pictures.copy()
    finding = run_detector(ScaleUp(), ctx)
    assert np.isfinite(finding.scores).all()
    assert len(np.unique(finding.scores)) > 20
    assert np.array_equal(pictures, before)
    assert ctx.forwarded == 5 * ctx.n


def test_a_detector_with_extra_passes_says_so_and_is_skipped_without_a_model():
    from inspector.detectors import discover, run_detectors
    from inspector.testing.contexts import planted_signals

    signals, _ = planted_signals(120)
    entries = [entry for entry in discover([], False) if entry.id in ("strip", "scale-up")]
    assert [entry.info.passes for entry in entries] == [8.0, 5.0]
    outcome = run_detectors(
        {name: signals[name] for name in ("activations", "logits")},
        signals["labels"],
        np.ones(120, np.bool_),
        [str(k) for k in range(4)],
        entries=entries,
    )
    assert {found["status"] for found in outcome.findings.values()} == {"skipped"}
    assert "pictures" in outcome.findings["strip"]["reason"]
