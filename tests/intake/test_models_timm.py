"""timm's networks: built by plain names alone, and one clear sentence where timm is missing."""

from __future__ import annotations

import sys

import pytest
import torch
from models_support import MemoryDataset, coloured_squares

from inspector.errors import BadInput
from inspector.intake.models import SuspectModel, load_model
from inspector.intake.models.spec import parse_spec
from inspector.intake.models.spec_text import spec_text
from inspector.intake.models.timm_models import build_timm, check_timm, timm_names

SPEC = 'architecture = { family = "timm", name = "resnet10t" }'


def test_a_network_of_timm_by_its_name(tmp_path):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", pretrained=False, num_classes=4).eval()
    torch.save({"state_dict": network.state_dict()}, tmp_path / "m.pt")
    images, labels = coloured_squares(40, side=32)
    data = MemoryDataset(images, labels)
    with pytest.raises(BadInput, match="no network that Inspector knows"):
        load_model(tmp_path / "m.pt", data)
    model = load_model(tmp_path / "m.pt", data, spec=parse_spec(SPEC))
    assert (model.family, model.num_classes, model.head) == ("timm", 4, "fc")
    assert model.candidates[0]["name"] == "resnet10t"
    x = model.preprocess(images[:4])
    with torch.no_grad():
        torch.testing.assert_close(model.network(x), network(x), rtol=1e-3, atol=1e-3)
    assert SuspectModel.from_spec(model.spec(), tmp_path / "m.pt").spec() == model.spec()
    written = parse_spec(spec_text(model.model_spec()))
    assert load_model(tmp_path / "m.pt", data, spec=written).preprocess == model.preprocess


@pytest.mark.parametrize("name", ["hf-hub:a/b", "local-dir:/tmp/x", "../resnet18", "no_such_net"])
def test_only_plain_names_that_it_lists_are_taken(name):
    pytest.importorskip("timm")
    with pytest.raises(BadInput):
        check_timm(name)


def test_without_timm_there_is_one_clear_sentence(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "timm", None)
    timm_names.cache_clear()
    try:
        with pytest.raises(BadInput, match="timm is not installed") as refused:
            check_timm("resnet18")
        assert "inspector-forensics[timm]" in refused.value.fix
        assert timm_names() == ()
    finally:
        timm_names.cache_clear()


@pytest.mark.parametrize("name", ["checkpoint_path", "pretrained_cfg_overlay", "cache_dir"])
def test_a_recorded_description_cannot_have_timm_load_anything(tmp_path, name):
    """A case may come from somebody else, and with it what it says of the model."""
    pytest.importorskip("timm")
    arguments = {"num_classes": 10, "in_channels": 3, "extra": {name: str(tmp_path / "evil.pth")}}
    with pytest.raises(BadInput, match="never given"):
        build_timm("resnet10t", arguments)
