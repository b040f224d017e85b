"""Cards, the catalogue, the domain, the registry and loading."""

import dataclasses
import threading
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sunpy_ml.exceptions import CardError, DomainError, DomainWarning, WeightsError
from sunpy_ml.weights import (
    Card,
    Domain,
    DomainReport,
    Facts,
    FileSource,
    Output,
    build_network,
    get_card,
    list_weights,
    load,
    loading,
    read_card,
    resolve,
    weights_path,
)
from sunpy_ml.weights.registry import build_empty
from sunpy_ml.weights.typed import from_mapping

CARD = get_card("halpha-2")
CARD_FILE = Path(loading.__file__).parent / "cards" / "halpha-2.toml"
NAMES = list_weights()["name"].tolist()
EMBEDDED = [name for name in NAMES if get_card(name).file.embedded]
PUBLISHED = [name for name in NAMES if not get_card(name).file.embedded]


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_embedded_file_loads_and_is_as_its_card_says(name):
    card = get_card(name)
    path = weights_path(card)
    assert path.stat().st_size == card.file.size <= 4 * 2**20
    network = load(name)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert load(card) is network


@pytest.mark.parametrize("name", NAMES)
def test_every_card_tells_what_a_user_must_know(name):
    card = get_card(name)
    for metric in card.metrics:
        assert metric.n > 0
        if metric.interval:
            # Resampled, a calibration error is larger than it is.
            assert metric.interval[0] <= metric.value or metric.name == "expected calibration error"
            assert metric.value <= metric.interval[1]
    # What the authors published was measured by them, on data of theirs.
    assert card.metrics or not card.file.embedded
    assert card.limits
    assert card.training.data
    assert card.training.recipe
    assert all(u.Unit(unit) is not None for unit in (card.input.unit, *card.output.units, *card.domain.units))


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_card_tells_what_could_not_be_verified(name):
    card = get_card(name)
    assert card.unverified
    assert not card.default
    assert all(url.startswith("https://") for url in card.file.urls)
    assert not card.file.sha256 or len(card.file.sha256) == 64
    assert not card.file.git_blob or len(card.file.git_blob) == 40
    if not (card.file.sha256 or card.file.git_blob):
        assert any("checksum" in fact for fact in card.unverified)
    if card.licence == "none stated":
        assert any("must not be passed on" in limit for limit in card.limits)


@pytest.mark.parametrize("name", NAMES)
def test_every_card_fits_its_network(name):
    card = get_card(name)
    network = build_empty(card.network, card.network_arguments)
    if not card.output.channels:
        return
    rows, columns = 8 * card.input.multiple, 16 * card.input.multiple
    image = torch.empty(1, max(1, len(card.input.channels)), rows, columns, device="meta")
    output = network.eval()(image)
    factor = card.output.factor
    assert output.shape == (1, len(card.output.channels), factor * rows, factor * columns)


PUBLISHED_CHECKSUMS = {
    "slic-1.1.1": "",
    "enhance-intensity-2017": "830a8860b0eb055f8d9fc760388f5f977eec4a01",
    "enhance-blos-2017": "3fdb1d8f4e05b906e55c152aed2a54fc88de1f21",
    "deepvel-2017": "b4ddd7efc8dbd078458e73cc61005b3f3f9ea101",
    "deepvelu-stagger-2020": "06c65d2137d0d3ddf3fa0770543b32887b09234ba42f00abb05c3a1781a761d0",
    "deepvel-stagger-2020": "c73849437ded62a88fc0f0471986b75ea651cf811c02f3e9565521b08f79188f",
    "deepvel-muram-qs-2020": "58e530e062dca1257ef015834a7bc97a2156f01bd868f52bb3837761c6db8c39",
    "deepvel-muram-qs-d0km-2020": "789f4afea15654ac12f008023128279437f1890c9a0d3e82efed50ebbcf6e3fc",
    "deepvel-muram-qs-d144km-2020": "85b67f1a56439c277bd4b35d80966f534284a610b3b410aee60bd27e7db5a0c0",
    "deepvel-muram-qs-d560km-2020": "eb5888d673beef0a77d903490ea3d766b04dad4a768941b186a19bdb65161470",
    "deepvelu-muram-ar-tau1-2020": "cd0516579823ff19c415d043d3b5f5faa22b3bc903f33be55cdfdeebe5ac1082",
    "deepvel-muram-ar-tau0.1-2020": "8d27aac7f22d0b22f2cd2525a4844bc33e1f0e642c2297545756257b3ae0ef70",
    "deepvel-muram-ar-tau0.01-2020": "7bae68b56fadab760bf3ed84d0cd1582657e327095560607177bc3c4d75a323f",
    "deepvel-muram-ar-tau0.001-2020": "da9f7d12af8972cd97b7809f18c448e64298f0957bd407a5a93542a37f522294",
    "deepvel-muram-ar-d1000km-2020": "3d3589483f7f8f21d67689a725a8b96f82cbc1b029500a2fd01c1bfab6b3afed",
    "deepvelu-qs-ic-2020": "66728c10d1983595a7fc5bd643d1f75fb227d1ed",
    "deepvel-qs-ic-2020": "7ab5f893189f07ec3ee827f3d668fecf12d5ef57",
    "deepvelu-ar-ic-2020": "48199f5a7d2b5833e9a9273b6fea8f2f125a51d2",
    "deepvelu-ar-vz-2020": "be006d20d24dbcd1565d383496a59cf6dcf8725c",
    "deepvelu-ar-bzvz-2020": "4e69deb0001850cc5349a401a7188fafd98e54a0",
    "deepvelu-ar-bzicvz-2020": "d32afc8d2d55bab320efb01f639a73965c9f6997",
}


def test_the_published_files_are_those_of_the_authors():
    found = {name: get_card(name).file for name in PUBLISHED}
    assert {name: file.sha256 or file.git_blob for name, file in found.items()} == PUBLISHED_CHECKSUMS


def test_the_output_constants_of_deepvel_are_the_published_extremes():
    output = get_card("deepvel-2017").output
    least, most = np.array(output.offset), np.add(output.offset, output.scale)
    # In tens of km/s, as in the authors' normalization.npz.
    np.testing.assert_allclose(least / 10, [-0.84247184, -0.7779094, -0.8458354, -0.87457716, -0.91456485, -0.86169815])
    np.testing.assert_allclose(most / 10, [0.86247784, 0.83632153, 0.8740655, 0.8852403, 0.9056968, 0.89461637])
    assert set(output.units) == {"km / s"}


def test_threads_that_load_together_share_one_network():
    card = dataclasses.replace(CARD)
    found = []
    threads = [threading.Thread(target=lambda: found.append(load(card))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(network) for network in found}) == 1


def test_an_unknown_name_lists_the_names_there_are():
    with pytest.raises(WeightsError, match=r"none named 'halpha-0'; the names are \['.*'halpha-2'"):
        get_card("halpha-0")
    with pytest.raises(WeightsError, match="none named"):
        resolve("classification", "halpha-0")
    with pytest.raises(WeightsError, match=r"no weights serve 'weather'; the tasks are \['classification'"):
        list_weights("weather")
    with pytest.raises(WeightsError, match="'weather' has 0 default weights"):
        resolve("weather")
    with pytest.raises(WeightsError, match="serves 'classification', not 'weather'"):
        resolve("weather", "halpha-2")
    with pytest.raises(WeightsError, match="expected a name, the path"):
        resolve("classification", 3)


def edited(tmp_path, old, new):
    text = CARD_FILE.read_text()
    assert old in text
    path = tmp_path / "card.toml"
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "halpha-2"', 'name = "halpha-1"', "must end in the version"),
        ('task = "classification"', "task = 3", r"card\.toml\.task: expected str, got 3"),
        ('task = "classification"', "", r"the field\(s\) \['task'\] are missing"),
        ('task = "classification"', 'task = "x"\ntaks = "x"', r"unknown field\(s\) \['taks'\]"),
        ('geometry = "fixed-shape"', 'geometry = "square"', r"input\.geometry: got 'square', choose from"),
        ("shape = [256, 256]", "shape = [256]", "fixed-shape needs two numbers"),
        ('geometry = "fixed-shape"', 'geometry = "plate-scale"', "plate-scale geometry needs a number"),
        ('validated_on = "real"', 'validated_on = "hope"', "validated_on: got 'hope'"),
        ("default = true", "default = 1", "expected bool, got 1"),
        ('name = "halpha-2"', "name = ", "is not a card"),
    ],
)
def test_wrong_cards_are_refused(tmp_path, old, new, message):
    with pytest.raises(CardError, match=message):
        read_card(edited(tmp_path, old, new))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"units": ("m / s",)}, "output.units: got 1 values for 2 channels"),
        ({"scale": (1.0, 1.0, 1.0), "offset": (0.0, 0.0)}, "output.scale: got 3 values for 2 channels"),
        ({"scale": (1.0, 1.0)}, "offset and scale come together"),
        ({"scale": (1.0, 1.0), "offset": (0.0, 0.0), "denormalise": True}, "give only one of"),
        ({"keys": ("vx", "vy"), "denormalise": True}, "give only one of"),
        ({"factor": 0}, "output.factor: got 0"),
    ],
)
def test_outputs_that_contradict_themselves_are_refused(values, message):
    with pytest.raises(CardError, match=message):
        Output(channels=("vx", "vy"), **values)


def test_a_companion_comes_with_the_keys_that_are_in_it():
    card = get_card("deepvelu-stagger-2020")
    with pytest.raises(CardError, match=r"companion: it comes together with output\.keys"):
        dataclasses.replace(card, companion=None)
    with pytest.raises(CardError, match=r"companion\.format: got 'keras'"):
        dataclasses.replace(card, companion=card.file)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (tuple[float, float], [1.0]),
        (tuple[int, ...], 3),
        (tuple[int, ...], [1, "2"]),
        (dict[str, float], [1]),
        (dict[str, float], {"a": "b"}),
        (int, True),
        (float, "1"),
        (float | None, "1"),
    ],
)
def test_types_are_checked(hint, value):
    kind = dataclasses.make_dataclass("Kind", [("x", hint)])
    with pytest.raises(CardError, match=r"here\.x"):
        from_mapping(kind, {"x": value}, "here")


def test_types_are_converted():
    kind = dataclasses.make_dataclass("Kind", [("x", tuple[float, ...]), ("y", float | None)])
    made = from_mapping(kind, {"x": [1, 2.5], "y": None}, "here")
    assert made.x == (1.0, 2.5)
    assert made.y is None
    with pytest.raises(CardError, match="expected a table"):
        from_mapping(kind, [1], "here")


DOMAIN = Domain(
    wavelength=((655.5, 657.0), (30.3, 30.5)),
    plate_scale=(0.3, 2.0),
    field_of_view=(80, 700),
    aspect=2.0,
    cadence=(10, 60),
    units=("DN",),
    missing=0.5,
)
INSIDE = Facts(
    wavelength=656.28 * u.nm,
    plate_scale=[1, 1.1] * u.arcsec / u.pix,
    field_of_view=[200, 300] * u.arcsec,
    cadence=30 * u.s,
    unit=u.DN,
)


def test_inside():
    report = DOMAIN.check(INSIDE)
    assert report
    assert report.status == "inside"
    assert DOMAIN.check(dataclasses.replace(INSIDE, wavelength=304 * u.AA))
    report.enforce("x", strict=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"wavelength": 1600 * u.AA}, "the wavelength is 160 nm"),
        ({"plate_scale": [0.2, 1] * u.arcsec / u.pix}, "the plate scale is 0.2 x 1 arcsec / pix, trained on 0.3-2"),
        ({"field_of_view": [2000, 2000] * u.arcsec}, "the field of view is 2000 arcsec, trained on 80-700 arcsec"),
        ({"field_of_view": [100, 300] * u.arcsec}, "3 times as long as wide"),
        ({"cadence": 720 * u.s}, "the cadence is 720 s"),
        ({"unit": u.G}, "the unit is G, trained on DN"),
        ({"missing": 0.6}, "60% of the pixels are invalid"),
    ],
)
def test_outside(change, reason):
    report = DOMAIN.check(dataclasses.replace(INSIDE, **change))
    assert report.status == "outside"
    assert not report
    assert reason in str(report)
    with pytest.warns(DomainWarning, match="lies outside what 'x' was trained on"):
        report.enforce("x", strict=False)
    with pytest.raises(DomainError, match="lies outside"):
        report.enforce("x", strict=True)


@pytest.mark.parametrize("fact", ["wavelength", "plate_scale", "field_of_view", "cadence", "unit"])
def test_unknown(fact):
    report = DOMAIN.check(dataclasses.replace(INSIDE, **{fact: None}))
    assert report.status == "unknown"
    assert f"the {fact.replace('_', ' ')} is not in the header" in report.reasons[0]
    with pytest.warns(DomainWarning, match="is not known to lie inside"):
        report.enforce("x", strict=False)


def test_what_is_outside_counts_before_what_is_unknown():
    report = DOMAIN.check(dataclasses.replace(INSIDE, wavelength=None, unit=u.G))
    assert report.status == "outside"
    assert len(report.reasons) == 2
    assert Domain().check(Facts()) == DomainReport("inside")


def test_networks_are_built_by_name():
    network = build_network("compact-classifier", {"channels": [4, 8], "n_classes": 3, "n_features": 1})
    assert network(torch.zeros(1, 1, 64, 64)).shape == (1, 4)
    with pytest.raises(CardError, match=r"none named 'os\.system'; the names are"):
        build_network("os.system", {})
    with pytest.raises(CardError, match="unknown field"):
        build_network("slic", {"classes": 5})


@pytest.fixture
def card_for(tmp_path, monkeypatch, state):
    """A card for changed weights, lying where embedded ones do (read before that is somewhere else)."""

    def make(state, sha256=None) -> Card:
        import hashlib

        path = tmp_path / "changed.safetensors"
        save_file(state, path)
        digest = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
        source = FileSource(format="safetensors", size=path.stat().st_size, sha256=digest, path=str(path))
        return dataclasses.replace(CARD, file=source)

    monkeypatch.setattr(loading, "_loaded", {})
    return make


@pytest.fixture
def state():
    return load_file(weights_path(CARD))


def test_a_missing_file(card_for, state):
    card = card_for(state)
    gone = dataclasses.replace(card, file=dataclasses.replace(card.file, path="gone.safetensors"))
    with pytest.raises(WeightsError, match="install their package again"):
        load(gone)


def test_a_damaged_file(state, card_for):
    with pytest.raises(WeightsError, match="is damaged"):
        load(card_for(state, sha256="0" * 64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("classes.bias"), "missing classes.bias"),
        (lambda state: state.update(extra=torch.zeros(2)), "surplus extra"),
        (lambda state: state.update({"classes.bias": torch.zeros(7)}), r"classes.bias is \(7,\) instead of \(5,\)"),
        (lambda state: state["classes.bias"].fill_(float("nan")), "classes.bias is not finite"),
    ],
)
def test_files_that_do_not_fit(state, card_for, change, message):
    change(state)
    with pytest.raises(WeightsError, match=message):
        load(card_for(state))
