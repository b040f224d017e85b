"""Own weights, and those of other packages."""

import dataclasses
import json
import os
import subprocess
import sys
import textwrap

import pytest
import torch
from safetensors.torch import save_file

from sunpy_ml import classify_map
from sunpy_ml.classification.networks import CompactClassifier
from sunpy_ml.exceptions import CardError, WeightsError
from sunpy_ml.simulation import halpha_scene
from sunpy_ml.weights import (
    FileSource,
    convert_weights,
    get_card,
    load,
    read_weights_card,
    resolve,
    save_weights,
    weights_path,
)

MINE = dataclasses.replace(get_card("halpha-2"), name="mine-2", version="2", default=False, title="Mine")


@pytest.fixture
def network():
    network = CompactClassifier(CompactClassifier.Config(unfamiliarity=True)).eval()
    with torch.no_grad():
        network.classes.bias.fill_(0)
        network.classes.bias[3] = 1000
    return network


def test_weights_come_back_with_their_card(tmp_path, network):
    path = tmp_path / "mine-2.safetensors"
    written = save_weights(network, path, MINE)
    card = resolve("classification", path)
    assert card == written == resolve("classification", str(path)) == read_weights_card(path)
    assert dataclasses.replace(card, file=MINE.file) == MINE
    assert card.file.size == path.stat().st_size
    assert list(tmp_path.iterdir()) == [path]
    for name, tensor in load(card).state_dict().items():
        torch.testing.assert_close(tensor, network.state_dict()[name])


def test_a_verb_takes_a_path_or_a_module(tmp_path, network):
    scene = halpha_scene("sunspots", seed=1)
    path = tmp_path / "mine-2.safetensors"
    save_weights(network, path, MINE)
    for result in (classify_map(scene, weights=path), classify_map(scene, weights=network.train(), card=MINE)):
        assert result.label == "quiet"
        assert result.card.name == "mine-2"
    assert network.training
    assert classify_map(scene).card.name == "halpha-2"


def test_a_file_that_changes_is_another_one(tmp_path, network):
    path = tmp_path / "mine-2.safetensors"
    save_weights(network, path, MINE)
    stale = resolve("classification", path)
    with torch.no_grad():
        network.classes.bias.neg_()
    save_weights(network, path, MINE)
    assert load(resolve("classification", path)).classes.bias[3] == -1000
    with pytest.raises(WeightsError, match="is damaged"):
        load(stale)


def test_what_cannot_be_saved(tmp_path, network):
    with pytest.raises(WeightsError, match="must end in"):
        save_weights(network, tmp_path / "mine.pt", MINE)
    other = CompactClassifier(CompactClassifier.Config(n_classes=3))
    with pytest.raises(WeightsError, match=r"classes.bias is \(3,\) instead of \(5,\)"):
        save_weights(other, tmp_path / "mine.safetensors", MINE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "holds no card"),
        ({"sunpy_ml_card": "{"}, "is damaged"),
        ({"sunpy_ml_card": json.dumps({"name": "x-1"})}, "are missing"),
        ({"sunpy_ml_card": json.dumps({"network": "os.system"})}, "are missing"),
    ],
)
def test_files_whose_card_cannot_be_used(tmp_path, header, message):
    path = tmp_path / "odd.safetensors"
    save_file({"x": torch.zeros(1)}, path, metadata=header)
    with pytest.raises(WeightsError, match=message):
        resolve("classification", path)


def test_files_that_are_none(tmp_path):
    path = tmp_path / "text.safetensors"
    path.write_text("no tensors here")
    with pytest.raises(WeightsError, match="is not a safetensors file"):
        resolve("classification", path)
    with pytest.raises(WeightsError, match="there is no file"):
        resolve("classification", tmp_path / "none.safetensors")


def test_modules_and_cards_belong_together(network):
    with pytest.raises(WeightsError, match="needs its card"):
        resolve("classification", network)
    with pytest.raises(WeightsError, match="belongs to a network"):
        resolve("classification", "halpha-2", MINE)
    with pytest.raises(WeightsError, match="expected a name"):
        resolve("classification", 3)
    with pytest.raises(WeightsError, match="serves 'classification', not 'weather'"):
        resolve("weather", network, MINE)


def test_a_card_in_a_file_chooses_no_code(tmp_path, network):
    path = tmp_path / "evil.safetensors"
    content = {key: value for key, value in dataclasses.asdict(MINE).items() if key != "file"}
    content |= {"network": "subprocess.Popen", "network_arguments": {"args": "true"}}
    save_file(network.state_dict(), path, metadata={"sunpy_ml_card": json.dumps(content)})
    with pytest.raises(CardError, match=r"none named 'subprocess\.Popen'"):
        load(resolve("classification", path))


PLUGIN = {
    "pyproject.toml": """
        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"
        """,
    "solar_plugin/__init__.py": "",
    "solar_plugin/networks.py": """
        from dataclasses import dataclass
        import torch

        class Constant(torch.nn.Module):
            @dataclass(frozen=True)
            class Config:
                n: int = 5

            def __init__(self, config):
                super().__init__()
                self.logits = torch.nn.Parameter(torch.arange(float(config.n)))

            def forward(self, x):
                return self.logits.expand(len(x), -1)
        """,
    "solar_plugin-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: solar-plugin\nVersion: 1.0\n",
    "solar_plugin-1.0.dist-info/entry_points.txt": """
        [sunpy_ml.networks]
        solar-constant = solar_plugin.networks:Constant

        [sunpy_ml.cards]
        solar_plugin = solar_plugin
        """,
}

CARD = """
    name = "plugin-1"
    version = "1"
    task = "classification"
    title = "The same answer for all"
    network = "solar-constant"
    licence = "MIT"
    reference = ""
    citation = ""
    validated_on = "simulation"

    [file]
    format = "safetensors"
    embedded = "plugin-1.safetensors"
    sha256 = "{sha256}"

    [input]
    geometry = "fixed-shape"
    shape = [16, 16]
    normaliser = "raw"

    [output]
    classes = ["filaments", "flares", "prominences", "quiet", "sunspots"]

    [training]
    data = ["none"]
    """


def test_another_package_adds_a_network_and_its_weights(tmp_path):
    import hashlib

    for name, text in PLUGIN.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    for folder in ("cards", "embedded"):
        (tmp_path / "solar_plugin" / folder).mkdir()
    weights = tmp_path / "solar_plugin" / "embedded" / "plugin-1.safetensors"
    save_file({"logits": torch.tensor([0.0, 0.0, 0.0, 9.0, 0.0])}, weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    (tmp_path / "solar_plugin" / "cards" / "plugin-1.toml").write_text(textwrap.dedent(CARD.format(sha256=digest)))
    script = """
        from sunpy_ml import classify_map
        from sunpy_ml.simulation import halpha_scene
        from sunpy_ml.weights import list_weights
        print("plugin-1" in list_weights()["name"])
        print(classify_map(halpha_scene("sunspots"), weights="plugin-1").label)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "quiet"]


def test_a_copy_of_a_published_file_is_verified_before_it_is_loaded(tmp_path, network):
    copy = tmp_path / "copied.safetensors"
    copy.write_bytes(weights_path(get_card("halpha-2")).read_bytes())
    published = dataclasses.replace(
        get_card("halpha-2").file, embedded="", path="", urls=("https://example.org/halpha-2.safetensors",)
    )
    card = dataclasses.replace(get_card("halpha-2"), file=published)
    torch.testing.assert_close(load(card, path=copy).classes.bias, load("halpha-2").classes.bias)
    with pytest.raises(WeightsError, match="there is no file"):
        load(card, path=tmp_path / "none.safetensors")
    save_file(network.state_dict(), copy)
    with pytest.raises(WeightsError, match="does not hold the weights 'halpha-2'"):
        load(card, path=copy)


def test_authors_files_are_converted(tmp_path, network):
    source, target = tmp_path / "authors.pth", tmp_path / "mine-2.safetensors"
    torch.save({"model_state_dict": network.state_dict(), "epoch": 3}, source)
    card = dataclasses.replace(MINE, file=FileSource(format="torch", path=str(source)))
    converted = convert_weights(card, target, source=source)
    assert converted == resolve("classification", target)
    torch.testing.assert_close(load(converted).classes.bias, network.classes.bias)


def test_a_name_without_its_version_is_the_newest():
    assert get_card("halpha").name == "halpha-2"
    with pytest.raises(WeightsError, match="none named 'halph'"):
        get_card("halph")
