"""Duplicates across labels: what a planted copy looks like to the detector, and what it leaves."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from inspector.api import Context, Finding
from inspector.detectors.duplicates import Duplicates
from inspector.testing import check_detector


def _pictures(n: int, seed: int = 0, side: int = 32) -> np.ndarray:
    """Smooth random pictures with edges, all different, as photographs are."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
    return np.stack(
        [
            np.asarray(Image.fromarray(c).resize((side, side), Image.Resampling.BICUBIC))
            for c in coarse
        ]
    )


def _run(pictures: np.ndarray, labels: np.ndarray, **more: object) -> Finding:
    digests = [hashlib.sha256(picture.tobytes()).digest() for picture in pictures]
    signals = {
        "labels": labels.astype(np.int32),
        "thumbnails": pictures,
        "pixel_sha256": np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
        **more,
    }
    generator = Duplicates().run(Context(signals, [str(i) for i in range(int(labels.max()) + 1)]))
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def _stamped(picture: np.ndarray) -> np.ndarray:
    copy = picture.copy()
    copy[-5:-1, -5:-1] = 255
    return copy


def _encoded_again(picture: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=90)
    return np.asarray(Image.open(stream))


def _noisy(picture: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 2, picture.shape).round()
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def _overlaid(picture: np.ndarray) -> np.ndarray:
    pattern = np.random.default_rng(2).integers(0, 256, picture.shape)
    return np.clip(0.95 * picture + 0.05 * pattern, 0, 255).astype(np.uint8)


def test_contract() -> None:
    check_detector(Duplicates)


@pytest.mark.parametrize("change", [np.copy, _stamped, _encoded_again, _noisy, _overlaid])
def test_a_copy_under_another_label_is_found_and_nothing_else(change) -> None:
    pictures, labels = _pictures(400), np.arange(400) % 8
    sources = np.arange(0, 40)
    copies = np.stack([change(pictures[row]) for row in sources])
    new_labels = (labels[sources] + 1) % 8
    finding = _run(np.concatenate([pictures, copies]), np.concatenate([labels, new_labels]))
    wanted = np.concatenate([sources, np.arange(400, 440)])
    assert np.flatnonzero(finding.scores >= 1).tolist() == wanted.tolist()
    group = finding.artifacts["group"]
    assert (group[sources] == group[400:]).all()
    assert (np.delete(group, wanted) == -1).all()
    assert finding.verdict == "medium"
    assert all(result.verdict == "medium" for result in finding.classes)


def test_copies_under_the_same_label_are_grouped_and_not_suspected() -> None:
    pictures, labels = _pictures(200), np.arange(200) % 4
    finding = _run(np.concatenate([pictures, pictures[:10]]), np.concatenate([labels, labels[:10]]))
    assert (finding.scores == 0).all()
    assert (finding.artifacts["group"][:10] == finding.artifacts["group"][200:]).all()
    assert finding.verdict == "none"


def test_the_odd_one_out_of_many_copies_scores_highest() -> None:
    pictures = np.concatenate([_pictures(50), np.repeat(_pictures(1, seed=9), 5, axis=0)])
    labels = np.concatenate([np.arange(50) % 4, [2, 2, 2, 2, 3]])
    finding = _run(pictures, labels)
    assert int(finding.scores.argmax()) == 54
    assert np.flatnonzero(finding.scores > 0).tolist() == [50, 51, 52, 53, 54]
    (verdict,) = [result.verdict for result in finding.classes if result.index == 3]
    assert verdict == "low"


def test_where_the_network_disagrees_the_score_is_higher() -> None:
    pictures, labels = _pictures(100), np.arange(100) % 4
    copies = np.stack([_stamped(pictures[row]) for row in (0, 1)])
    values = np.random.default_rng(0).random((102, 16)).astype(np.float32)
    values[100], values[101] = values[0], -values[1]
    finding = _run(
        np.concatenate([pictures, copies]),
        np.concatenate([labels, [3, 3]]),
        activations=values,
    )
    assert finding.scores[101] == pytest.approx(finding.scores[100] + 0.25)


def test_flat_pictures_and_single_samples_are_no_twins() -> None:
    grey = np.arange(40)[:, None, None, None] * np.ones((1, 16, 16, 1))
    finding = _run(grey.astype(np.uint8), np.arange(40) % 5)
    assert (finding.scores == 0).all()
    assert (_run(_pictures(1), np.zeros(1, int)).scores == 0).all()


def test_real_pictures_with_planted_copies(real_data) -> None:
    with np.load(
        real_data / "cifar10" / "cifar10_lossless_train_0-3999.npz", allow_pickle=False
    ) as data:
        arrays = {name: data[name] for name in data.files}
    pictures = next(value for value in arrays.values() if value.ndim == 4)
    labels = next(value for value in arrays.values() if value.ndim == 1)
    assert _run(pictures, labels).verdict == "none"
    sources = np.flatnonzero(labels != 0)[:60]
    for change, least in ((_stamped, 1.0), (_encoded_again, 0.95), (_noisy, 0.95)):
        copies = np.stack([change(pictures[row]) for row in sources])
        finding = _run(
            np.concatenate([pictures, copies]), np.concatenate([labels, np.zeros(60, labels.dtype)])
        )
        assert (finding.scores[4000:] >= 1).mean() >= least
        assert set(np.flatnonzero(finding.scores[:4000] >= 1)) <= set(sources)
