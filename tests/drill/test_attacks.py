"""Every attack changes the rows, labels and pixels that it says, reproducibly, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inspector.drill import (
    AdaptiveBlend,
    AllToAll,
    Attack,
    Blended,
    FeatureCollision,
    LabelConsistent,
    Patch,
    PixelNetwork,
    Sinusoid,
    SourceSpecific,
    Warp,
)
from inspector.errors import BadInput
from inspector.intake.models.networks.plain_cnn import PlainCNN

CLASSES, TARGET, RATE, N = 4, 2, 0.05, 200


@pytest.fixture(scope="module")
def network() -> PixelNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = PlainCNN(1, CLASSES, 12, widths=(4, 8), hidden=16)
    return PixelNetwork(made.eval().requires_grad_(False))


def data(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    # Smooth bright pictures: noise would look the same after a warp of half a pixel.
    images = rng.integers(40, 210, (N, 3, 3), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    return images.reshape(N, *shape), rng.integers(0, CLASSES, N)


def attacks(network: PixelNetwork) -> dict[str, Attack]:
    victim = np.random.default_rng(8).integers(0, 256, (12, 12, 1), dtype=np.uint8)
    made: tuple[Attack, ...] = (
        Patch(),
        Blended(),
        Sinusoid(),
        Warp(),
        AdaptiveBlend(),
        AllToAll(Patch(), CLASSES),
        SourceSpecific(Patch(), 1),
        LabelConsistent(Patch(), network, steps=3),
        FeatureCollision(victim, network, steps=10),
    )
    return {attack.name: attack for attack in made}


NAMES = (
    *("patch", "blended", "sinusoid", "warp", "adaptive-blend", "all-to-all"),
    *("source-specific", "label-consistent", "feature-collision"),
)


@pytest.mark.parametrize("name", NAMES)
def test_an_attack_changes_what_it_says_and_nothing_else(name: str, network: PixelNetwork) -> None:
    attack = attacks(network)[name]
    images, labels = data((12, 12, 1))
    before = images.copy(), labels.copy()
    planted = attack.plant(images, labels, TARGET, RATE, np.random.default_rng(1))
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(labels, before[1])
    assert len(planted.rows) == round(RATE * N)
    assert (np.diff(planted.rows) > 0).all()
    touched = (planted.images != images).reshape(N, -1).any(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(touched), np.union1d(planted.rows, planted.covers))
    assert not np.intersect1d(planted.rows, planted.covers).size
    assert planted.images.dtype == np.uint8
    assert planted.images.shape == images.shape
    relabelled = np.flatnonzero(planted.labels != labels)
    if attack.clean_label:
        assert not relabelled.size
        assert (labels[planted.rows] == TARGET).all()
    else:
        np.testing.assert_array_equal(relabelled, planted.rows)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_plants_the_same_poison(name: str, network: PixelNetwork) -> None:
    attack = attacks(network)[name]
    first, again, other = (
        attack.plant(*data((12, 12, 1)), TARGET, RATE, np.random.default_rng(seed))
        for seed in (3, 3, 4)
    )
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first.rows, other.rows)


@pytest.mark.parametrize("name", NAMES[:7])
def test_grey_pictures_may_come_without_channels(name: str, network: PixelNetwork) -> None:
    attack = attacks(network)[name]
    flat, labels = data((12, 12))
    deep, _ = data((12, 12, 1))
    one = attack.plant(flat, labels, TARGET, RATE, np.random.default_rng(1))
    if name not in ("blended", "adaptive-blend"):
        two = attack.plant(deep, labels, TARGET, RATE, np.random.default_rng(1))
        np.testing.assert_array_equal(one.images, two.images[..., 0])
    assert one.images.shape == flat.shape


@pytest.mark.parametrize("name", NAMES)
def test_more_than_there_is_cannot_be_poisoned(name: str, network: PixelNetwork) -> None:
    with pytest.raises(BadInput, match="cannot be poisoned"):
        attacks(network)[name].plant(*data((12, 12, 1)), TARGET, 1.2, np.random.default_rng(0))


def test_trials_ask_for_what_the_attacker_wants(network: PixelNetwork) -> None:
    images, labels = data((12, 12, 1))
    found = attacks(network)
    shown, wanted = found["patch"].trials(images, labels, TARGET)
    assert len(shown) == (labels != TARGET).sum()
    assert set(wanted) == {TARGET}
    shown, wanted = found["all-to-all"].trials(images, labels, TARGET)
    np.testing.assert_array_equal(wanted, (labels + 1) % CLASSES)
    shown, wanted = found["source-specific"].trials(images, labels, TARGET)
    np.testing.assert_array_equal(shown, Patch().stamp(images[labels == 1]))
    assert set(wanted) == {TARGET}
    shown, wanted = found["feature-collision"].trials(images, labels, TARGET)
    assert (len(shown), wanted.tolist()) == (1, [TARGET])


def test_an_adaptive_blend_shows_each_sample_half_of_the_pieces() -> None:
    images = np.zeros((N, 12, 12), np.uint8)
    labels = np.arange(N) % CLASSES
    attack = AdaptiveBlend(opacity=1.0)
    planted = attack.plant(images, labels, TARGET, RATE, np.random.default_rng(0))
    assert len(planted.covers) == len(planted.rows)
    whole = (attack.stamp(images[:1])[0] > 0).sum()
    shares = (planted.images[planted.rows] > 0).reshape(len(planted.rows), -1).sum(1) / whole
    assert (np.abs(shares - 0.5) < 0.05).all()
    assert len(np.unique(planted.images[planted.rows], axis=0)) > 1


def test_a_disturbance_stays_within_its_radius_and_fools_the_network(network: PixelNetwork) -> None:
    images, labels = data((12, 12, 1))
    attack = LabelConsistent(Patch(size=1), network, radius=16)
    planted = attack.plant(images, labels, TARGET, RATE, np.random.default_rng(0))
    change = planted.images.astype(int) - images
    change[:, 10, 10] = 0  # the patch
    assert np.abs(change).max() == 16

    def belief(pictures: np.ndarray) -> float:
        x = torch.from_numpy(pictures[planted.rows]).permute(0, 3, 1, 2).float() / 255
        return float(network.logits(x).softmax(1)[:, TARGET].mean())

    assert belief(planted.images) < belief(images)


def test_colliding_pictures_come_near_the_victim_in_features_and_stay_themselves(
    network: PixelNetwork,
) -> None:
    images, labels = data((12, 12, 1))
    victim = np.random.default_rng(8).integers(0, 256, (12, 12, 1), dtype=np.uint8)
    attack = FeatureCollision(victim, network)
    planted = attack.plant(images, labels, TARGET, RATE, np.random.default_rng(0))

    def features(pictures: np.ndarray) -> torch.Tensor:
        return network.features(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255)

    goal, rows = features(victim[None]), planted.rows
    before = (features(images[rows]) - goal).norm(dim=1)
    after = (features(planted.images[rows]) - goal).norm(dim=1)
    assert (after < 0.5 * before).all()
    own = np.abs(planted.images[rows].astype(int) - images[rows]).mean()
    assert own < np.abs(planted.images[rows].astype(int) - victim).mean()


def test_parameters_tell_the_whole_attack() -> None:
    told = SourceSpecific(Patch(size=4, opacity=0.5), 1).parameters
    assert told["source"] == 1
    assert told["trigger"]["name"] == "patch"
    assert (told["trigger"]["size"], told["trigger"]["opacity"]) == (4, 0.5)
