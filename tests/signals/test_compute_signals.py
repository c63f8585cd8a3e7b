"""What the pass measures is what the network says, whatever the sizes and troubles of the data."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from torch import nn

from inspector.api import Control
from inspector.errors import BadInput, Cancelled, InspectorError
from inspector.signals import compute_signals
from inspector.signals.measuring import NOT_FINITE


def plainly(model, data):
    """The same with nothing but a forward pass for each sample and a hook-free second network."""
    logits, hidden = [], []
    net = model.network
    with torch.no_grad():
        for i in range(len(data)):
            x = model.preprocess(data.decode(i)[None])
            logits.append(net(x)[0])
            y = torch.max_pool2d(torch.relu(net.norm(net.conv1(x))), 2)
            y = torch.max_pool2d(torch.relu(net.conv2(y)), 2)
            hidden.append(torch.relu(net.fc1(y.flatten(1)))[0])
    return torch.stack(logits).numpy(), torch.stack(hidden).numpy()


def all_bytes(signals):
    return {name: path.read_bytes() for name, path in signals.arrays.items()}


def test_every_array_is_what_a_plain_forward_pass_says(make_model, make_data, tmp_path):
    model, data = make_model(), make_data()
    signals = compute_signals(model, data, tmp_path / "s")
    logits, hidden = plainly(model, data)
    answers = torch.from_numpy(logits)
    labels = torch.from_numpy(data.labels.copy()).long()
    np.testing.assert_allclose(signals.get("logits"), logits, atol=1e-5)
    np.testing.assert_allclose(signals.get("activations"), hidden, atol=1e-5)
    np.testing.assert_array_equal(signals.get("predicted"), logits.argmax(1))
    np.testing.assert_allclose(
        signals.get("confidence"), answers.softmax(1).max(1).values, rtol=1e-5
    )
    loss = nn.functional.cross_entropy(answers, labels, reduction="none")
    np.testing.assert_allclose(signals.get("loss"), loss, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(signals.get("thumbnails"), np.stack(data.images))
    assert signals.get("assessed").all()
    expected = [
        hashlib.sha256(b"8 8 3\n" + image.repeat(3, 2).tobytes()).digest() for image in data.images
    ]
    assert [row.tobytes() for row in signals.get("pixel_sha256")] == expected
    assert signals.unreadable == []
    assert signals.resumed_from == 0
    dtypes = {name: signals.get(name).dtype for name in signals.arrays}
    assert dtypes == {
        "logits": np.float32,
        "activations": np.float32,
        "predicted": np.int32,
        "confidence": np.float32,
        "loss": np.float32,
        "thumbnails": np.uint8,
        "pixel_sha256": np.uint8,
        "assessed": np.bool_,
    }


def test_arrays_cannot_be_written_through_what_is_handed_out(make_model, make_data, tmp_path):
    signals = compute_signals(make_model(), make_data(5), tmp_path / "s")
    with pytest.raises(ValueError, match="read-only"):
        signals.get("logits")[0] = 0


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_the_batch_size_does_not_matter(make_model, make_data, tmp_path, batch):
    model, data = make_model(), make_data(33)
    one = compute_signals(model, data, tmp_path / "a", sketch=6)
    other = compute_signals(model, data, tmp_path / "b", batch=batch, sketch=6)
    for name in one.arrays:
        np.testing.assert_allclose(one.get(name), other.get(name), rtol=1e-4, atol=1e-5)


def test_samples_do_not_influence_each_other(make_model, make_data, tmp_path):
    model, data = make_model(), make_data(40)
    order = np.random.default_rng(2).permutation(40)
    shuffled = make_data(images=[data.images[i] for i in order])
    shuffled.labels = data.labels[order]
    one = compute_signals(model, data, tmp_path / "a", sketch=5)
    other = compute_signals(model, shuffled, tmp_path / "b", sketch=5)
    for name in one.arrays:
        np.testing.assert_allclose(one.get(name)[order], other.get(name), rtol=1e-4, atol=1e-5)


def test_an_unreadable_sample_in_the_middle_is_named_and_the_others_are_not_touched(
    make_model, make_data, tmp_path
):
    model, whole = make_model(), make_data(30)
    broken = list(whole.images)
    broken[11], broken[29] = "image file is truncated", "empty file"
    signals = compute_signals(model, make_data(images=broken), tmp_path / "a", batch=8)
    assert signals.unreadable == [(11, "image file is truncated"), (29, "empty file")]
    assessed = signals.get("assessed")
    assert np.flatnonzero(~assessed).tolist() == [11, 29]
    assert signals.get("predicted")[11] == -1
    assert np.isnan(signals.get("loss")[[11, 29]]).all()
    assert np.isnan(signals.get("confidence")[[11, 29]]).all()
    expected, _ = plainly(model, whole)
    np.testing.assert_allclose(signals.get("logits")[assessed], expected[assessed], atol=1e-5)


def test_a_dataset_of_which_nothing_can_be_read_ends_with_every_reason(
    make_model, make_data, tmp_path
):
    signals = compute_signals(
        make_model(), make_data(images=["no", "not", "never"]), tmp_path / "s"
    )
    assert [reason for _, reason in signals.unreadable] == ["no", "not", "never"]
    assert not signals.get("assessed").any()


def test_evidence_that_vanishes_stops_the_pass_instead_of_becoming_unreadable(
    make_model, make_data, tmp_path
):
    data = make_data(images=["gone"] * 5)
    data.root = tmp_path / "unplugged"
    with pytest.raises(InspectorError, match="no longer at"):
        compute_signals(make_model(), data, tmp_path / "s")


def test_mixed_sizes_and_channels_go_through(make_model, make_data, tmp_path):
    rng = np.random.default_rng(3)
    shapes = [(8, 8, 1), (100, 50, 3), (5, 9, 3), (200, 200, 1), (1, 1, 3), (300, 2, 1)]
    images = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    model, data = make_model(channels=3), make_data(images=images)
    signals = compute_signals(model, data, tmp_path / "s")
    expected, _ = plainly(model, data)
    np.testing.assert_allclose(signals.get("logits"), expected, atol=1e-4)
    assert signals.get("thumbnails").shape == (6, 64, 64, 3)


def test_rows_limit_what_is_assessed(make_model, make_data, tmp_path):
    model, data = make_model(), make_data(50)
    rows = np.array([31, 3, 4, 5, 49, 0])
    signals = compute_signals(model, data, tmp_path / "s", rows=rows, batch=2)
    assert np.flatnonzero(signals.get("assessed")).tolist() == [0, 3, 4, 5, 31, 49]
    assert signals.get("logits").shape == (50, 4)
    expected, _ = plainly(model, data)
    np.testing.assert_allclose(signals.get("logits")[rows], expected[rows], atol=1e-5)
    assert np.isnan(signals.get("loss")).sum() == 44
    assert signals.unreadable == []


def test_a_row_that_is_not_there_is_refused(make_model, make_data, tmp_path):
    with pytest.raises(BadInput, match="Row 50 is not in the dataset"):
        compute_signals(make_model(), make_data(50), tmp_path / "s", rows=np.array([3, 50]))


def test_a_label_without_a_logit_has_no_loss(make_model, make_data, tmp_path):
    data = make_data(4)
    data.labels = np.array([0, -1, 9, 3], np.int32)
    signals = compute_signals(make_model(), data, tmp_path / "s", sketch=3)
    assert np.isnan(signals.get("loss")).tolist() == [False, True, True, False]
    assert np.isnan(signals.get("gradients")).all(axis=1).tolist() == [False, True, True, False]
    assert signals.get("assessed").all()


def test_a_sure_network_keeps_the_order_of_tiny_losses(make_data, make_model, tmp_path):
    class Sure(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc2 = nn.Linear(1, 4, bias=False)
            self.fc2.weight.data = torch.tensor([[1.0], [-1.0], [-1.0], [-1.0]])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc2(x.mean((1, 2, 3))[:, None] * 20)

    images = [np.full((8, 8, 1), value, np.uint8) for value in (200, 220, 240)]
    data = make_data(images=images)
    data.labels = np.zeros(3, np.int32)
    loss = compute_signals(make_model(Sure()), data, tmp_path / "s").get("loss")
    assert loss[0] > loss[1] > loss[2] > 0
    margin = 40 * (200 / 255 - 0.3) / 0.4
    assert loss[0] == pytest.approx(3 * np.exp(-margin), rel=1e-3)


def test_an_answer_that_is_not_finite_makes_the_sample_unassessed(make_data, make_model, tmp_path):
    class Fragile(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc2 = nn.Linear(64, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x.flatten(1)
            return self.fc2(torch.where(x.amax(1, keepdim=True) < 0, torch.nan, x))

    images = [np.full((8, 8, 1), value, np.uint8) for value in (200, 0, 240)]
    signals = compute_signals(make_model(Fragile()), make_data(images=images), tmp_path / "s")
    assert signals.unreadable == [(1, NOT_FINITE)]
    assert signals.get("assessed").tolist() == [True, False, True]


def test_the_network_is_handed_back_as_it_was(make_model, make_data, tmp_path):
    model = make_model()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    strides = {name: value.stride() for name, value in model.network.state_dict().items()}
    threads = torch.get_num_threads()
    compute_signals(model, make_data(), tmp_path / "s", sketch=4, layer="conv1")
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, before[name]), name
        assert value.stride() == strides[name], name
    for module in model.network.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module.training
    assert torch.get_num_threads() == threads


def test_a_network_in_training_mode_is_refused(make_model, make_data, tmp_path):
    model = make_model()
    model.network.norm.train()
    with pytest.raises(InspectorError, match="training mode"):
        compute_signals(model, make_data(), tmp_path / "s")


def test_answers_of_another_width_are_refused(make_model, make_data, tmp_path):
    model = make_model(classes=7)
    with pytest.raises(BadInput, match="Logits of 7 classes are expected"):
        compute_signals(model, make_data(), tmp_path / "s")


def test_a_device_that_is_not_there_is_one_clear_line(make_model, make_data, tmp_path):
    for device in ("cuda:99", "toaster"):
        with pytest.raises(BadInput, match=f"device '{device}' cannot be used"):
            compute_signals(make_model(), make_data(), tmp_path / "s", device=device)


@pytest.mark.parametrize("settings", [{"batch": 0}, {"sketch": -1}])
def test_impossible_sizes_are_refused(make_model, make_data, tmp_path, settings):
    with pytest.raises(BadInput, match="is not possible"):
        compute_signals(make_model(), make_data(), tmp_path / "s", **settings)


def test_progress_counts_samples_and_never_falls(make_model, make_data, tmp_path):
    class Watching(Control):
        seen: list[tuple[str, int, int]]

        def __init__(self) -> None:
            self.seen, self.checks = [], 0

        def check(self) -> None:
            self.checks += 1

        def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
            self.seen.append((stage, done, total))

    control = Watching()
    compute_signals(make_model(), make_data(60), tmp_path / "s", batch=4, control=control)
    counts = [done for stage, done, _ in control.seen if stage == "Signals"]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 60)
    assert {total for stage, _, total in control.seen if stage == "Signals"} == {60}
    assert control.checks > 0


def test_a_gpu_that_is_too_small_for_the_batch_gets_half_of_it(make_model, make_data, tmp_path):
    class Greedy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc2 = nn.Linear(64, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return self.fc2(x.flatten(1))

    model, data = make_model(Greedy()), make_data(20)
    signals = compute_signals(model, data, tmp_path / "s", batch=16)
    assert signals.get("assessed").all()
    x = model.preprocess(np.stack(data.images))
    np.testing.assert_allclose(signals.get("activations"), x.flatten(1), atol=1e-6)


def test_a_cancel_stops_at_once_and_keeps_what_was_done(make_model, make_data, tmp_path):
    class Cancelling(Control):
        def progress(self, stage: str, done: int, total: int, text: str = "") -> None:
            self.cancelled = done >= 20

        def check(self) -> None:
            if getattr(self, "cancelled", False):
                raise Cancelled()

    model, data = make_model(), make_data(200)
    images = list(data.images)
    images[199] = "broken"  # Sizes unknown: blocks stay small.
    model.operations = 1e9
    data = make_data(images=images)
    with pytest.raises(Cancelled):
        compute_signals(model, data, tmp_path / "s", batch=4, control=Cancelling())
    again = compute_signals(model, data, tmp_path / "s", batch=4)
    assert 20 <= again.resumed_from < 200
    whole = compute_signals(model, data, tmp_path / "t", batch=4)
    assert all_bytes(again) == all_bytes(whole)
    assert again.unreadable == whole.unreadable == [(199, "broken")]
