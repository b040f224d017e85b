import csv
import datetime
import functools
import json
from importlib import resources

import astropy.units as u
import numpy as np
import pytest
import torch
from PIL import Image
from sunpy.map import Map

from sunpy_ml import classify_map
from sunpy_ml.classification import slic_recipe
from sunpy_ml.classification.networks import SlicNetwork
from sunpy_ml.classification.slic_training import he_initialise
from sunpy_ml.simulation import halpha_scene
from sunpy_ml.training import learning_curves, run_recipe
from sunpy_ml.weights import read_weights_card, registry

FRAMES = 8


class Tiny(torch.nn.Module):
    """Slic's ideas in small: convolutions, batch normalisation, pooling, logits."""

    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Config:
        n_classes: int = 5
        channels: int = 8

    def __init__(self, config=None):
        super().__init__()
        config = config or self.Config()
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(1, config.channels, 5, stride=4),
            torch.nn.BatchNorm2d(config.channels),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(4),
            torch.nn.Conv2d(config.channels, 2 * config.channels, 3),
            torch.nn.BatchNorm2d(2 * config.channels),
            torch.nn.ReLU(),
        )
        self.classes = torch.nn.Linear(4 * config.channels, config.n_classes)

    def forward(self, x):
        maps = self.features(x)
        return self.classes(torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1))


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    networks = {**registry._networks(), "tiny": Tiny}
    monkeypatch.setattr(registry, "_networks", lambda: networks)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A folder of images for each of two classes, a day apart each."""
    folder = tmp_path_factory.mktemp("simulated")
    for kind in ("prominences", "sunspots"):
        (folder / kind).mkdir()
        for number in range(16):
            time = datetime.datetime(2014, 1, 1 + number)
            scene = halpha_scene(kind, shape=(64, 64), scale=4 * u.arcsec / u.pix, seed=number, time=time)
            scene.save(folder / kind / f"{number:02d}.fits")
    return folder


@pytest.fixture(scope="module")
def gong(shared_data, tmp_path_factory):
    """Labelled patches of GONG's H-alpha images, written as FITS files in Slic's layout."""
    folder = tmp_path_factory.mktemp("gong")
    labels = resources.files("sunpy_ml.classification") / "labels" / "gong_halpha_patches.csv"
    with labels.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    frames = sorted({row["frame"] for row in rows})[:: -(-55 // FRAMES)]
    for frame in frames:
        image = np.asarray(Image.open(shared_data / "gong_halpha" / frame).convert("L"))
        date = datetime.datetime.strptime(frame[:14], "%Y%m%d%H%M%S")
        for number, row in enumerate(row for row in rows if row["frame"] == frame and row["label"] != "flares"):
            x, y, size = (int(row[name]) for name in ("x", "y", "size"))
            header = {"cdelt1": 1.06, "cdelt2": 1.06, "cunit1": "arcsec", "cunit2": "arcsec", "ctype1": "HPLN-TAN"}
            header |= {"ctype2": "HPLT-TAN", "crval1": 0, "crval2": 0, "crpix1": size / 2, "crpix2": size / 2}
            header |= {"date-obs": date.isoformat(), "wavelnth": 6562.8, "waveunit": "angstrom", "instrume": "GONG"}
            header |= {"hgln_obs": 0.0, "hglt_obs": 0.0, "dsun_obs": 1.5e11, "rsun_ref": 6.957e8}
            path = folder / row["label"] / f"{frame[:14]}_{number}.fits"
            path.parent.mkdir(exist_ok=True)
            Map(image[y : y + size, x : x + size][::-1], header).save(path)
    return folder


def test_from_simulated_images_to_a_card(simulated, tmp_path):
    path = slic_recipe.make(
        simulated,
        tmp_path,
        name="two-classes-3",
        network="tiny",
        epochs=4,
        batch=4,
        learning_rates=(1e-2, 1e-9),
        validated_on="simulation",
    )
    card = read_weights_card(path)
    assert (card.name, card.version, card.network, card.task) == ("two-classes-3", "3", "tiny", "classification")
    assert card.output.classes == ("prominences", "sunspots")
    assert not card.default
    assert card.validated_on == "simulation"
    assert "learning rate 0.01," in card.training.recipe  # the other one learns nothing
    assert card.training.period == ("2014-01-01", "2014-01-12")  # three days before the first of validation
    assert card.instruments == ("H-alpha simulation",)
    assert card.domain.plate_scale == pytest.approx((4, 4))
    assert card.domain.wavelength[0] == pytest.approx((655.8, 656.8))
    accuracy = card.metrics[0]
    assert (accuracy.name, accuracy.n) == ("accuracy", 4)
    assert accuracy.value >= 0.75
    assert np.sum(card.confusion[0].counts) == 4
    scores = json.loads((tmp_path / "two-classes-3.metrics.json").read_text())
    assert scores["metrics"][0]["value"] == accuracy.value
    pictures = sorted(file.name for file in tmp_path.glob("*.png"))
    assert [name.removeprefix("two-classes-3.") for name in pictures] == [
        "confusion.png",
        "lr-0.01.curves.png",
        "lr-1e-09.curves.png",
        "reliability.png",
    ]
    scene = halpha_scene("sunspots", shape=(64, 64), scale=4 * u.arcsec / u.pix, seed=99)
    result = classify_map(scene, weights=path)
    assert result.card == card
    assert result.in_domain


@pytest.mark.parametrize("split", ["date", "every-tenth"])
def test_from_real_images_to_a_card(gong, tmp_path, split):
    path = slic_recipe.make(gong, tmp_path, network="tiny", epochs=3, batch=8, learning_rates=(1e-2,), split=split)
    card = read_weights_card(path)
    assert card.output.classes == ("filaments", "prominences", "quiet", "sunspots")
    assert card.validated_on == "real"
    assert split in card.metrics[0].data
    assert any("neighbours" in limit for limit in card.limits) == (split == "every-tenth")
    losses = learning_curves(tmp_path / "slic-own-1-lr-0.01")["loss"]
    assert losses[-1] < 0.8 * losses[0]
    calibration = next(metric for metric in card.metrics if metric.name == "expected calibration error")
    assert calibration.interval[0] < calibration.interval[1]


def test_a_run_goes_on_from_its_checkpoints(simulated, tmp_path):
    options = {"network": "tiny", "learning_rates": (1e-3,)}
    slic_recipe.make(simulated, tmp_path, epochs=1, **options)
    slic_recipe.make(simulated, tmp_path, epochs=2, resume=True, **options)
    logs = sorted((tmp_path / "slic-own-1-lr-0.001" / "log").glob("version_*/metrics.csv"))
    assert len(logs) == 2
    assert "\n0," not in logs[1].read_text()


def test_the_same_seed_gives_the_same_weights(simulated, tmp_path):
    before = torch.random.get_rng_state()
    paths = []
    for name, seed in (("a-1", 4), ("b-1", 4), ("c-1", 5)):
        options = {"name": name, "network": "tiny", "epochs": 1, "learning_rates": (1e-3,), "seed": seed}
        paths.append(slic_recipe.make(simulated, tmp_path, **options))
    from safetensors.torch import load_file

    first, second, other = (load_file(path) for path in paths)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert not torch.equal(first["classes.weight"], other["classes.weight"])
    # The seed is the recipe's own business.
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_recipe_runs_by_its_name(simulated, tmp_path, monkeypatch):
    small = functools.partial(slic_recipe.make, network="tiny", learning_rates=(1e-3,))
    monkeypatch.setitem(slic_recipe.RECIPES, "slic", small)
    path = run_recipe("slic", data=simulated, out=tmp_path / "new", epochs=1)
    assert path == tmp_path / "new" / "slic-own-1.safetensors"
    assert read_weights_card(path).network == "tiny"


def test_the_defaults_are_those_of_the_paper():
    arguments = slic_recipe.make.__kwdefaults__
    assert arguments["network"] == "slic"
    assert arguments["learning_rates"] == (1e-3, 5e-4, 1e-4)
    assert (arguments["epochs"], arguments["batch"], arguments["initialisation"]) == (100, 32, "he")


def test_the_published_network_fits_any_number_of_classes():
    slic_recipe._check_outputs("slic", {"n_classes": 3}, 3, (256, 256))
    with pytest.raises(ValueError, match=r"gives numbers of the shape \(3,\)"):
        slic_recipe._check_outputs("slic", {"n_classes": 3}, 4, (256, 256))


def test_he_initialisation_keeps_the_spread_through_rectifiers():
    torch.manual_seed(0)
    layers = []
    for _ in range(10):
        layers += [torch.nn.Linear(400, 400), torch.nn.ReLU()]
    deep, x = torch.nn.Sequential(*layers), torch.randn(64, 400)
    with torch.no_grad():
        faded = deep(x).std()
        he_initialise(deep)
        assert faded < 0.05
        assert 0.3 < deep(x).std() < 2
    assert not deep[0].bias.any()


def test_he_initialisation_reaches_all_of_the_published_network():
    with torch.device("meta"):
        network = SlicNetwork()
    drawn = []

    def note(tensor, **options):
        drawn.append(tensor.numel())
        return tensor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.init, "kaiming_normal_", note)
        he_initialise(network)
    assert len(drawn) == 11  # eight convolutions, of which one is used thrice, and three linear layers
    assert sum(drawn) == sum(parameter.numel() for parameter in network.parameters() if parameter.ndim > 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initialisation": "xavier"}, "got 'xavier', choose 'he' or 'default'"),
        ({"split": "random"}, "got 'random', choose 'date' or 'every-tenth'"),
        ({"network": "compact-classifier"}, r"gives numbers of the shape \(6,\) for an image, and 2 are needed"),
        ({"learning_rates": (1e30,)}, "validation loss is never a number"),
    ],
)
def test_what_the_recipe_cannot_do(simulated, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        slic_recipe.make(simulated, tmp_path, **{"network": "tiny", "epochs": 1, **options})


def test_one_class_alone(tmp_path):
    (tmp_path / "quiet").mkdir()
    halpha_scene("quiet").save(tmp_path / "quiet" / "one.fits")
    with pytest.raises(ValueError, match="holds the class 'quiet' alone"):
        slic_recipe.make(tmp_path, tmp_path)
