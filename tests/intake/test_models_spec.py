"""Model specs: what can be stated, what is refused and how, and what a written one gives back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.errors import BadInput
from inspector.intake.models.spec import ModelSpec, parse_spec, read_spec, weights_file
from inspector.intake.models.spec_text import spec_text

WHOLE = """\
schema = "model-spec/1"
[weights]
file = "victim.pt"
container = "auto"
select = "model"
strip_prefix = ["module.", "model."]
ignore = ["n_averaged", "criterion.*"]
strict = true
[architecture]
family = "builtin"
name = "preactresnet18"
num_classes = 10
in_channels = 3
args = { stem = "cifar" }
[preprocess]
mode = "RGB"
size = [32, 32]
resize = "none"
interpolation = "bilinear"
antialias = true
crop = "none"
scale = 255.0
mean = [0.4914, 0.4822, 0.4465]
std  = [0.247, 0.243, 0.261]
normalize_inside_model = false
orientation = "ignore"
[labels]
names = ["airplane", "car"]
map = { cat = 3 }
[output]
kind = "logits"
[features]
layer = "avgpool"
"""


def test_a_whole_spec():
    spec = parse_spec(WHOLE)
    assert spec.get("weights", "strip_prefix") == ["module.", "model."]
    assert spec.get("architecture", "args") == {"stem": "cifar"}
    assert spec.get("preprocess", "size") == [32, 32]
    assert spec.get("labels", "map") == {"cat": 3}
    assert parse_spec(spec_text(spec.stated)).stated == spec.stated
    assert ModelSpec.from_dict(spec.as_dict()) == spec


def test_one_line_is_a_spec():
    assert parse_spec('architecture.name = "resnet20"').stated == {
        "architecture": {"name": "resnet20"}
    }
    assert parse_spec("").stated == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[preproces]\nmode = 'RGB'", "Did you mean 'preprocess'"),
        ("[preprocess]\nmeen = [0, 0, 0]", "Did you mean 'mean'"),
        ("[architecture]\nargs = { pool = [1] }", "pool is none of them"),
        ("[weights]\nfile = '/etc/passwd'", 'relative and without ".."'),
        ("[weights]\nfile = '../victim.pt'", 'relative and without ".."'),
        ("[weights]\nfile = 'a/../../b'", 'relative and without ".."'),
        ("[labels]\nfile = 'C:\\\\names.txt'", 'relative and without ".."'),
        ("[weights]\nsha256 = 'abc'", "64 hexadecimal digits"),
        ("[preprocess]\nsize = [32]", "2 values"),
        ("[preprocess]\nsize = [0, 32]", "from 1 to 4096"),
        ("[preprocess]\nstd = [0.0]", "above 0"),
        ("[preprocess]\nmean = [nan]", "a number"),
        ("[preprocess]\nmean = [0.5]\nstd = [1.0, 1.0, 1.0]", "do not agree"),
        ("[preprocess]\nresize = 'shorter-side'\ncrop = 'none'", "without a crop"),
        ("[preprocess]\nmode = 'CMYK'", "one of RGB, BGR, L"),
        ("[output]\nkind = 'softmax'", "log-probabilities"),
        ("[labels]\nmap = { cat = -1 }", "class of the data"),
        ("[labels]\nnames = ['a']\nfile = 'b'", "both names and file"),
        ("[architecture]\nfamily = 'plugin'", "without a name"),
        ("[architecture]\nnum_classes = true", "whole number"),
        ("schema = 'model-spec/2'", "reads 'model-spec/1'"),
        ("architecture = 3", "must be a section"),
        ("[weights\n", "no valid TOML"),
        ("a = " + "[" * 5000, "no valid TOML"),
        (b"\xff\xfe", "no text"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text, said):
    with pytest.raises(BadInput) as refused:
        parse_spec(text, "m.toml")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.what.startswith("m.toml")


def test_names_from_a_file_beside_it(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\n\ndög\n", "utf-8")
    (tmp_path / "m.toml").write_text('[labels]\nfile = "classes.txt"')
    spec = read_spec(tmp_path / "m.toml")
    assert spec.get("labels", "names") == ["cat", "dög"]
    assert len(spec.sha256) == 64
    assert ModelSpec.from_dict(spec.as_dict()) == spec


def test_no_link_is_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim.pt").write_bytes(b"x")
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "weights").symlink_to(outside)
    (folder / "m.toml").write_text('[weights]\nfile = "weights/victim.pt"')
    with pytest.raises(BadInput, match="leads through the link"):
        weights_file(folder / "m.toml")
    (folder / "m.toml").write_text('[weights]\nfile = "missing.pt"')
    with pytest.raises(BadInput, match=r"names 'missing\.pt'"):
        weights_file(folder / "m.toml")
    (folder / "near.pt").write_bytes(b"x")
    (folder / "m.toml").write_text('[weights]\nfile = "near.pt"')
    assert weights_file(folder / "m.toml") == folder / "near.pt"
    (folder / "link.toml").symlink_to(folder / "m.toml")
    with pytest.raises(BadInput, match="symbolic link"):
        read_spec(folder / "link.toml")


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(max_size=20), st.integers(0, 1000), max_size=5),
    st.lists(st.text(st.characters(min_codepoint=32), max_size=20), max_size=5),
    st.floats(1e-6, 1e6),
)
def test_whatever_is_written_is_read_back(mapping, names, scale):
    stated = {"labels": {"names": names, "map": mapping}, "preprocess": {"scale": scale}}
    lone = any("\ud800" <= letter <= "\udfff" for text in [*mapping, *names] for letter in text)
    again = parse_spec(spec_text(stated)).stated
    assert lone or again == stated


def test_a_written_spec_shows_nothing_that_deceives_the_eye():
    text = spec_text({"labels": {"names": ["cat\u202egod", 'a"b\\', "\x85"]}})
    assert "\u202e" not in text
    assert parse_spec(text).get("labels", "names") == ["cat\u202egod", 'a"b\\', "\x85"]
