"""The tiny cases are real: a network that learned the trigger, and signals that are its own."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from inspector.api import SIGNALS
from inspector.testing import make_case, planted_context


def test_the_network_has_learned_pictures_and_trigger(planted_case):
    case = planted_case
    right = case.signals["predicted"] == case.labels
    assert right.mean() > 0.85
    assert right[case.truth].mean() > 0.8
    assert case.truth.sum() == 10
    assert (case.labels[case.truth] == case.target).all()
    assert (case.images[case.truth, -4:-1, -4:-1] == 255).all()


def test_signals_are_those_of_the_network(planted_case):
    import torch

    case = planted_case
    x = torch.from_numpy(case.images).permute(0, 3, 1, 2).float() / 255
    np.testing.assert_allclose(case.network(x).numpy(), case.signals["logits"], atol=1e-4)
    head = case.network.get_submodule("fc2")
    again = head(torch.from_numpy(case.signals["activations"])).numpy()
    np.testing.assert_allclose(again, case.signals["logits"], atol=1e-4)
    assert not case.network.training
    ctx = case.context()
    assert ctx.n == 200
    assert ctx.images([3])[0].shape == (12, 12, 1)


def test_the_same_seed_gives_the_same_case_and_leaves_torch_as_it_was():
    import torch

    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    one, other = make_case(n=80, seed=4), make_case(n=80, seed=4)
    assert torch.rand(1) == expected
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_allclose(one.signals["logits"], other.signals["logits"], rtol=1e-5)


@pytest.mark.parametrize("poison", ["blend", "none"])
def test_other_kinds_of_poison(poison):
    case = make_case(n=80, poison=poison, rate=0.1)
    assert case.truth.sum() == (0 if poison == "none" else 8)


def test_a_context_of_numbers_has_every_signal(detector_context):
    ctx, planted = detector_context
    assert all(len(ctx.signal(name)) == 200 for name in SIGNALS)
    assert planted.sum() == 10
    assert not ctx.signal("activations").flags.writeable
    again, _ = planted_context()
    np.testing.assert_array_equal(again.signal("logits"), ctx.signal("logits"))


def test_fixtures_cost_no_imports_in_other_peoples_test_runs():
    code = "import inspector.testing.fixtures, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
