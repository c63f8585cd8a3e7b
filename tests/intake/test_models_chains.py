"""Plain networks of every spelling are rebuilt from their weights, and poolings where they fit."""

from __future__ import annotations

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import nn

from inspector.intake.models import build_network, read_weights, recognise
from inspector.intake.models.chains import geometries, norm_orders, read_chain
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.intake.models.variants import starting_points


class Example(nn.Module):
    """The network of PyTorch's MNIST example: not padded, one pooling at the end."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.fc1, self.fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class LeNet(nn.Module):
    """LeNet-5 on 32×32 pictures."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class Normalised(nn.Module):
    """Names that sort wrongly, normalisations registered apart, average over the last map."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.bn1, self.bn2 = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.relu(self.bn2(self.conv2(x)))
        return self.fc(F.adaptive_avg_pool2d(F.max_pool2d(x, 2), 1).flatten(1))


def sequential():
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(2048, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 10)),
    )


def act_norm():
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(16), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(32), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(2048, 10)),
    )


def strided():
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(2048, 10)),
    )


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 30), nn.ReLU(), nn.Linear(30, 10))


CASES = {
    "example": (Example, 1, 28),
    "lenet": (LeNet, 3, 32),
    "normalised": (Normalised, 3, 16),
    "sequential": (sequential, 3, 32),
    "activation before normalisation": (act_norm, 3, 32),
    "strided": (strided, 3, 32),
    "no convolution": (mlp, 1, 28),
    "plain": (lambda: PlainCNN(3, 10, 20), 3, 20),
}


@pytest.mark.parametrize("container", ["torch", "safetensors"])
@pytest.mark.parametrize("case", CASES)
def test_one_of_the_proposed_layouts_is_the_network(tmp_path, case, container):
    make, channels, side = CASES[case]
    torch.manual_seed(0)
    original = make()
    for module in original.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
    original.eval()
    path = tmp_path / "weights"
    if container == "torch":
        torch.save(original.state_dict(), path)
    else:
        safetensors.torch.save_file(original.state_dict(), path)
    weights = read_weights(path).tensors
    (candidate,) = recognise(weights)
    images = torch.rand(2, channels, side, side)
    with torch.no_grad():
        expected = original(images)
        outputs = []
        for point in starting_points(candidate, (side, side)):
            assert point.preprocess.size == (side, side)
            assert point.preprocess.channels == channels
            outputs.append(build_network(point.candidate, weights)(images))
    assert any(torch.allclose(output, expected, atol=1e-4) for output in outputs)


def shapes(network):
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def test_gaps_between_numbers_show_poolings():
    layers = read_chain(shapes(sequential()))
    assert [layer["name"] for layer in layers] == ["0", "3", "7", "10"]
    assert geometries(layers, (32, 32))[0]["pools"] == [0, 1]


def test_numbers_show_where_the_activation_stands():
    assert norm_orders(read_chain(shapes(act_norm()))) == ["act-norm"]
    assert norm_orders(read_chain(shapes(Normalised()))) == ["norm-act", "act-norm"]


def test_normalisations_find_their_layers():
    layers = read_chain(shapes(Normalised()))
    assert [layer["norm"] for layer in layers] == ["bn1", "bn2", ""]


def test_image_size_when_the_data_has_none():
    assert geometries(read_chain(shapes(PlainCNN(1, 10, 28))), None)[0]["size"] == [28, 28]
    assert geometries(read_chain(shapes(PlainCNN(3, 10, 32))), None)[0]["size"] == [32, 32]


@pytest.mark.parametrize(
    "broken",
    [
        {"a.weight": (4, 3, 3, 3), "b.weight": (5, 7)},  # 7 is no multiple of 4
        {"a.weight": (4, 3, 3, 3), "b.weight": (4, 5, 3, 3), "c.weight": (2, 4)},
        {"a.weight": (4, 3, 3, 3)},
        {"a.weight": (4, 3, 3, 5), "c.weight": (2, 4)},
        {"a.weight": (4, 3, 3, 3), "c.weight": (2, 4), "tokens": (1, 2)},
        {"a.weight": (0, 3, 3, 3), "c.weight": (2, 0)},
        {},
    ],
)
def test_weights_that_are_no_chain(broken):
    assert read_chain(broken) is None
