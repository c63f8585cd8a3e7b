"""Networks are named by the names and shapes of their weights, and rebuilt exactly."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from inspector.errors import BadInput
from inspector.intake.models import build_network, recognise
from inspector.intake.models.networks.canonical import canonical
from inspector.intake.models.networks.plain_cnn import PlainCNN
from inspector.intake.models.networks.preact_resnet import PreActResNet
from inspector.intake.models.networks.resnet_small import SmallResNet
from inspector.intake.models.networks.vgg_bn import VGGBN
from inspector.intake.models.networks.wide_resnet import WideResNet
from inspector.intake.models.ranking import likenesses
from inspector.intake.models.signatures import (
    TABLE,
    builtin_entry,
    builtin_names,
    signatures,
    table,
    torchvision_entry,
    write_table,
)
from inspector.intake.models.torchvision_models import (
    build_torchvision,
    list_names,
    without_storage,
)
from inspector.places import resources


def from_table(name, classes=1000, channels=3):
    """Weights of a torchvision network without memory behind them."""
    signature = signatures()[name]
    tensors = {}
    for key, shape in signature.shapes.items():
        shape = list(shape)
        if key in signature.head:
            shape[0] = classes
        if key == signature.stem:
            shape[1] = channels
        tensors[key] = torch.empty(shape, device="meta")
    return tensors


def randomised(network):
    """Give normalisations something to do, so that equal outputs mean equal wiring."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize("name", sorted(signatures()))
def test_every_torchvision_network_by_its_weights_alone(name):
    candidates = recognise(from_table(name, classes=43, channels=1))
    assert [candidate.name for candidate in candidates] == [name]
    assert candidates[0].family == "torchvision"
    assert candidates[0].num_classes == 43
    assert candidates[0].in_channels == 1


@pytest.mark.parametrize("name", sorted(builtin_names()))
def test_every_built_in_network_by_its_weights_alone(name):
    made = without_storage(canonical(num_classes=43)[name])
    candidates = recognise(made.state_dict())
    assert [candidate.name for candidate in candidates] == [name]
    assert candidates[0].family == "builtin"
    assert (candidates[0].num_classes, candidates[0].in_channels) == (43, 3)


def test_the_table_covers_every_network_that_is_built_in():
    assert builtin_names() == sorted(canonical())
    wanted = {"resnet50_small", "preact_resnet18", "wide_resnet28_10", "vgg16_bn_small"}
    wanted |= {f"resnet{depth}" for depth in (20, 32, 44, 56, 110)} | {"vgg6_bn_small", "plain_cnn"}
    assert wanted <= set(builtin_names())


@pytest.mark.parametrize("name", ["resnet18", "vit_b_16", "mobilenet_v3_small", "squeezenet1_1"])
def test_the_generator_gives_what_ships_for_torchvision(name):
    entry, shipped = torchvision_entry(name), signatures()[name]
    assert {key: tuple(shape) for key, shape in entry["shapes"].items()} == shipped.shapes
    assert (set(entry["head"]), entry["stem"]) == (shipped.head, shipped.stem)


@pytest.mark.parametrize("name", ["resnet110", "wide_resnet28_10", "vgg6_bn_small", "mlp"])
def test_the_generator_gives_what_ships_for_built_in_networks(name):
    shipped = next(one for one in table() if (one.family, one.name) == ("builtin", name))
    entry = builtin_entry(name)
    assert {key: tuple(shape) for key, shape in entry["shapes"].items()} == shipped.shapes
    assert (set(entry["head"]), entry["stem"]) == (shipped.head, shipped.stem)


def test_likenesses_are_ranked_with_scores():
    shapes = {key: tuple(value.shape) for key, value in from_table("resnet34", 43).items()}
    ranked = likenesses(shapes)
    assert ranked[0].name == "resnet34"
    assert ranked[0].score == 1.0
    assert ranked[0].differs == ()
    assert ranked[1].score < 0.9
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
    shapes["conv1.weight"] = (64, 3, 3, 3)
    nearest = likenesses(shapes)[0]
    assert nearest.name == "resnet34"
    assert 0.95 < nearest.score < 1
    assert nearest.differs == ("conv1.weight is 64×3×3×3, not 64×3×7×7",)


def test_the_table_lists_what_torchvision_has():
    assert set(signatures()) <= set(list_names())
    assert (resources() / TABLE).stat().st_size < 200_000


@pytest.mark.slow
def test_the_table_is_what_its_script_writes(tmp_path):
    assert write_table(tmp_path / TABLE) == len(list_names()) + len(builtin_names())
    assert (tmp_path / TABLE).read_bytes() == (resources() / TABLE).read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "mobilenet_v3_small",
        "squeezenet1_1",
        "mnasnet0_5",
        "googlenet",
        "regnet_x_400mf",
        "efficientnet_b0",
        "densenet121",
    ],
)
def test_torchvision_networks_are_rebuilt_with_other_classes_and_channels(name):
    torch.manual_seed(0)
    original = randomised(build_torchvision(name, {"num_classes": 7, "in_channels": 1}))
    weights = original.state_dict()
    (candidate,) = recognise(weights)
    assert (candidate.name, candidate.num_classes, candidate.in_channels) == (name, 7, 1)
    rebuilt = build_network(candidate, weights)
    images = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(rebuilt(images), original(images), rtol=1e-3, atol=1e-3)


def test_a_rebuilt_network_only_looks():
    network = build_network(recognise(from_real("resnet18"))[0], from_real("resnet18"))
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not any(getattr(module, "inplace", False) for module in network.modules())
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def from_real(name, classes=10):
    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None, num_classes=classes).state_dict()


def test_half_precision_becomes_float32():
    weights = {
        key: value.half() if value.is_floating_point() else value
        for key, value in from_real("resnet18").items()
    }
    network = build_network(recognise(weights)[0], weights)
    assert network.fc.weight.dtype is torch.float32
    assert torch.equal(network.fc.weight, weights["fc.weight"].float())


def test_a_googlenet_without_auxiliary_heads():
    weights = build_torchvision(
        "googlenet", {"num_classes": 5, "in_channels": 3, "auxiliary": False}
    ).state_dict()
    (candidate,) = recognise(weights)
    assert candidate.args["auxiliary"] is False
    build_network(candidate, weights)


def test_a_vision_transformer_for_other_image_sizes():
    made = torchvision.models.vit_b_32(weights=None, num_classes=10, image_size=64)
    (candidate,) = recognise(made.state_dict())
    assert candidate.name == "vit_b_32"
    assert candidate.args["image_size"] == 64
    assert build_network(candidate, made.state_dict())(torch.rand(1, 3, 64, 64)).shape == (1, 10)


@pytest.mark.parametrize(
    "head",
    [
        nn.Sequential(nn.Dropout(0.5), nn.Linear(512, 4)),
        nn.Sequential(nn.Linear(512, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 4)),
    ],
    ids=["dropout", "two layers"],
)
def test_a_last_layer_that_users_replaced(head):
    original = torchvision.models.resnet18(weights=None)
    original.fc = head
    original = randomised(original)
    weights = original.state_dict()
    (candidate,) = recognise(weights)
    assert (candidate.name, candidate.num_classes) == ("resnet18", 4)
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        rebuilt = build_network(candidate, weights)(images)
        torch.testing.assert_close(rebuilt, original(images), rtol=1e-3, atol=1e-3)


CIFAR = {"stem": 16, "middle": (16, 32, 64), "out": (16, 32, 64)}
WIDE = (256, 512, 1024, 2048)
BUILTIN = {
    "resnet18_small": lambda: SmallResNet(3, 10),
    "resnet34_small": lambda: SmallResNet(3, 10, (3, 4, 6, 3), head="fc", shortcut="downsample"),
    "resnet50_small": lambda: SmallResNet(3, 10, (3, 4, 6, 3), out=WIDE, bottleneck=True),
    "resnet20": lambda: SmallResNet(3, 10, (3, 3, 3), shortcut="pad", **CIFAR),
    "resnet32": lambda: SmallResNet(1, 7, (5, 5, 5), shortcut="shortcut", **CIFAR),
    "resnet44": lambda: SmallResNet(3, 10, (7, 7, 7), shortcut="pad", **CIFAR),
    "resnet56": lambda: SmallResNet(3, 10, (9, 9, 9), shortcut="shortcut", head="fc", **CIFAR),
    "preact_resnet18": lambda: PreActResNet(3, 10),
    "preact_resnet50": lambda: PreActResNet(3, 10, (3, 4, 6, 3), out=WIDE, bottleneck=True),
    "wide_resnet16_4": lambda: WideResNet(3, 10, 16, 4),
    "wide_resnet10_2": lambda: WideResNet(3, 10, 10, 2, spelling="layer"),
    "vgg11_bn_small": lambda: VGGBN(11, 3, 10),
    "vgg16_bn_small": lambda: VGGBN(16, 3, 43),
    "plain_cnn": lambda: PlainCNN(1, 10, 28),
}


@pytest.mark.parametrize("name", BUILTIN)
def test_networks_for_small_images(name):
    torch.manual_seed(0)
    original = randomised(BUILTIN[name]())
    weights = original.state_dict()
    (candidate,) = recognise(weights)
    assert (candidate.family, candidate.name) == ("builtin", name)
    assert recognise(weights, name.removesuffix("_small").upper().replace("_", "-"))
    rebuilt = build_network(candidate, weights)
    side = 28 if name == "plain_cnn" else 32
    images = torch.rand(2, candidate.in_channels, side, side)
    with torch.no_grad():
        torch.testing.assert_close(rebuilt(images), original(images), rtol=1e-3, atol=1e-3)


def test_option_a_pads_new_channels_with_zeros_on_both_sides():
    network = SmallResNet(3, 10, (1, 1, 1), shortcut="pad", **CIFAR)
    shortcut = network.get_submodule("layer2.0.shortcut")
    x = torch.rand(1, 16, 8, 8)
    out = shortcut(x)
    assert out.shape == (1, 32, 4, 4)
    assert torch.equal(out[:, 8:24], x[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


def test_a_preactivation_network_with_a_last_normalisation():
    original = PreActResNet(3, 10, final="bn")
    (candidate,) = recognise(original.state_dict())
    assert candidate.args["final"] == "bn"


def test_checkpoints_from_before_the_counters():
    weights = {k: v for k, v in from_real("resnet18").items() if "num_batches" not in k}
    assert build_network(recognise(weights)[0], weights) is not None


def test_an_architecture_that_does_not_match():
    weights = from_real("mobilenet_v2")
    with pytest.raises(BadInput) as refused:
        recognise(weights, "resnet18")
    text = str(refused.value)
    assert "\n" not in text
    assert "not those of resnet18" in text
    assert "mobilenet_v2" in refused.value.fix
    assert refused.value.why.startswith("Against resnet18: conv1.weight is missing;")


def test_a_small_resnet_under_its_common_name():
    weights = SmallResNet(3, 10).state_dict()
    assert recognise(weights, "ResNet-18")[0].name == "resnet18_small"
    with pytest.raises(BadInput, match="not those of resnet34") as refused:
        recognise(weights, "resnet34")
    assert "Against resnet34: conv1.weight is 64×3×3×3, not 64×3×7×7;" in refused.value.why


def test_a_name_that_does_not_exist_lists_similar_ones():
    with pytest.raises(BadInput) as refused:
        recognise(from_real("resnet18"), "resnet_18x")
    assert "No network is called 'resnet_18x'" in refused.value.what
    assert "resnet18" in refused.value.why


def test_weights_of_nothing_known_name_the_nearest():
    weights = from_real("resnet18")
    del weights["layer3.1.conv2.weight"]
    with pytest.raises(BadInput) as refused:
        recognise(weights)
    assert "no network that Inspector knows" in refused.value.what
    assert "resnet18 (9" in refused.value.why  # 98 or 99 % agree
    assert "Against resnet18: layer3.1.conv2.weight is missing." in refused.value.why
    assert 'family = "plugin"' in refused.value.fix


def test_an_expected_number_of_classes():
    weights = from_real("resnet18")
    assert recognise(weights, classes=10)
    with pytest.raises(BadInput, match="has 10 classes, not 43"):
        recognise(weights, classes=43)


def test_quantised_weights_are_refused():
    weights = from_real("resnet18")
    weights["layer1.0.conv1.weight"] = weights["layer1.0.conv1.weight"].to(torch.int8)
    with pytest.raises(BadInput, match="whole numbers"):
        recognise(weights)
