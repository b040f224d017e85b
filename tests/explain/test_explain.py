"""explain_map, from a Map to a Map of relevance."""

import copy
import importlib
import sys
from dataclasses import replace
from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from astropy.nddata import StdDevUncertainty
from matplotlib.colors import to_rgb
from ndcube import NDCube
from scipy.ndimage import gaussian_filter
from sunpy.map import Map

from sunpy_ml import classify_map
from sunpy_ml.classification.networks import CompactClassifier
from sunpy_ml.exceptions import DomainError, DomainWarning, ObservationError, WeightsError
from sunpy_ml.explain import METHODS, explain_map, plot_relevance, randomisation_check, targets
from sunpy_ml.observations import new_map, prepare
from sunpy_ml.simulation import halpha_scene
from sunpy_ml.weights import get_card, load, save_weights
from tests.maps import corners_and_centre, make_map, random_image, rotated_header

# Cheaper than by default, for the two methods that look at many images.
QUICK = {"occlusion": {"window": 64}, "integrated_gradients": {"steps": 8}}
AVERAGED, PLAIN = (
    replace(get_card("halpha-2"), input=replace(get_card("halpha-2").input, average_turns=averaged))
    for averaged in (True, False)
)
# Of networks that do not tell how unfamiliar an image is.
SILENT = replace(get_card("halpha-2"), output=replace(get_card("halpha-2").output, unfamiliar_above=None))
SPOT = (180, 80)


def plant_spot(m, x, y):
    """A round spot of 15 pixels radius, with an umbra."""
    rows, columns = np.indices(m.data.shape)
    r = np.hypot(columns - x, rows - y)
    light = gaussian_filter(np.where(r < 7, 0.25, np.where(r < 15, 0.65, 1.0)), 1.2)
    return new_map(m, (m.data * light).astype(np.float32))


@pytest.fixture(scope="module")
def spotted():
    return plant_spot(halpha_scene("quiet", seed=1), *SPOT)


@pytest.fixture(scope="module")
def explained(spotted):
    """The relevance of each method for the class of the planted spot."""
    made = {}

    def explain(method):
        if method not in made:
            made[method] = explain_map(spotted, method, target="sunspots", **QUICK.get(method, {}))
        return made[method]

    return explain


@pytest.fixture
def small():
    """An untrained network in training mode, of which one parameter is being trained and one module is hooked."""
    torch.manual_seed(3)
    network = CompactClassifier(CompactClassifier.Config(channels=(4, 4, 8, 8)))
    network.requires_grad_(False)
    network.classes.weight.requires_grad_()
    network.stem.register_forward_hook(lambda module, inputs, output: None)
    return network


@pytest.mark.parametrize("method", METHODS)
def test_a_planted_spot_attracts_relevance(explained, spotted, method):
    assert classify_map(spotted).label == "sunspots"
    relevance = explained(method)
    rows, columns = np.indices(relevance.data.shape)
    r = np.hypot(columns - SPOT[0], rows - SPOT[1])
    size = np.abs(relevance.data)
    assert size[r < 20].mean() > 1.5 * size[r > 60].mean()
    assert METHODS[method].signed or relevance.data.min() >= 0


def test_grad_cam_is_where_the_spot_is():
    # The cells are 32 pixels large, and each sees more; that they are put where they belong is tested by itself. From
    # the middle of the field, where nothing was planted, these places are 108 pixels away in the mean.
    misses = []
    for seed, (x, y) in enumerate([(60, 190), (200, 200), (40, 40), (220, 60)] * 2):
        m = plant_spot(halpha_scene("quiet", seed=seed), x, y)
        relevance = explain_map(m, target="sunspots").data
        strong = np.where(relevance > 0.5 * relevance.max(), relevance, 0)
        rows, columns = np.indices(m.data.shape)
        misses.append(np.hypot((columns * strong).sum() / strong.sum() - x, (rows * strong).sum() / strong.sum() - y))
    assert np.mean(misses) < 40


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"crota2": 180.013},
        rotated_header(88.0, "pc"),
        rotated_header(-30.0, "cd", (1.0, 1.25)),
        {"cdelt1": -1.0, "crpix1": 3.5},
    ],
)
@pytest.mark.parametrize("shape", [(300, 200), (100, 120)])
@pytest.mark.filterwarnings("ignore:.*the image looks unlike")
def test_relevance_is_on_the_grid_of_the_observation(header, shape):
    data = random_image(shape)
    data[:9, :7] = np.nan
    mask = np.zeros(shape, bool)
    mask[20:30, 40:45] = True
    m = make_map(data, mask=mask, uncertainty=StdDevUncertainty(np.ones(shape)), **header)
    before = copy.deepcopy((m.data, m.mask, dict(m.meta), m.plot_settings["cmap"]))
    relevance = explain_map(m, "saliency")
    assert relevance.data.shape == shape
    assert relevance.data.dtype == np.float32
    assert np.isfinite(relevance.data).all()
    assert relevance.data.min() >= 0  # where it is resampled too
    np.testing.assert_allclose(corners_and_centre(relevance.wcs, shape), corners_and_centre(m.wcs, shape), atol=1e-6)
    np.testing.assert_array_equal(relevance.mask, mask | np.isnan(data))
    assert relevance.unit == u.dimensionless_unscaled
    assert relevance.uncertainty is None
    assert (relevance.date, relevance.instrument, relevance.wavelength) == (m.date, m.instrument, m.wavelength)
    np.testing.assert_array_equal(m.data, before[0])
    np.testing.assert_array_equal(m.mask, before[1])
    assert dict(m.meta) == before[2]
    assert m.plot_settings["cmap"] == before[3]
    assert m.uncertainty is not None


@pytest.mark.parametrize("method", ["gradcam", "guided_backprop"])
@pytest.mark.parametrize(
    ("turn", "header"),
    [
        (lambda image: image[::-1, ::-1], {"crota2": 180.0}),
        (lambda image: image.T[::-1], rotated_header(90.0, "pc")),
        (lambda image: image[:, ::-1], {"cdelt1": -1.06}),
    ],
)
def test_a_turned_map_gives_the_relevance_turned_likewise(explained, spotted, method, turn, header):
    where = {key: spotted.meta[key] for key in ("crval1", "crval2")}
    m = make_map(turn(spotted.data), **{"cdelt1": 1.06, "cdelt2": 1.06, **where, **header})
    found = explain_map(m, method, target="sunspots")
    scale = np.abs(explained(method).data).max()
    np.testing.assert_allclose(found.data, turn(explained(method).data), atol=1e-4 * scale)
    assert not np.allclose(found.data, explained(method).data, atol=0.1 * scale)


@pytest.mark.parametrize(
    ("method", "turn"), [*((method, np.rot90) for method in METHODS), ("gradcam", np.flipud), ("gradcam", np.transpose)]
)
def test_relevance_of_an_averaged_answer_turns_with_the_image(spotted, method, turn):
    m, network = new_map(spotted, np.ascontiguousarray(turn(spotted.data))), load("halpha-2")
    options = {"weights": network, "card": AVERAGED, "target": "sunspots", **QUICK.get(method, {})}
    given, turned = (explain_map(each, method, **options).data for each in (spotted, m))
    np.testing.assert_allclose(turned, turn(given), atol=1e-4 * np.abs(given).max())


@pytest.mark.parametrize("card", [AVERAGED, PLAIN])
def test_what_is_explained_is_the_score_that_the_card_tells_of(spotted, card):
    network = load("halpha-2")
    image = torch.tensor(prepare(spotted, card).data, requires_grad=True)
    views = [torch.rot90(side, k) for side in (image, image.flip(1)) for k in range(4)]
    if not card.input.average_turns:
        views = [image]
    index = card.output.classes.index("sunspots")
    score = torch.stack([network(view[None, None])[0, index] for view in views]).mean()
    expected = torch.autograd.grad(score, image)[0].abs()
    found = explain_map(spotted, "saliency", weights=network, card=card, target="sunspots")
    np.testing.assert_allclose(found.data, expected, atol=1e-4 * float(expected.max()))


@pytest.mark.parametrize(("card", "label"), [(AVERAGED, "sunspots"), (PLAIN, "quiet")])
def test_the_default_target_is_what_classify_map_says(card, label):
    class Corner(torch.nn.Module):
        """Calls quiet what is bright at the beginning of rows and columns, and all else sunspots."""

        def forward(self, x):
            scores = x.new_full((len(x), len(targets(card)) + 1), 99.0)
            scores[:, : len(card.output.classes)] = 0
            scores[:, targets(card).index("quiet")] = x[:, 0, :128, :128].mean(dim=(1, 2))
            scores[:, targets(card).index("sunspots")] = x.amax(dim=(1, 2, 3)) / 2
            scores[:, -1] = -99  # of something that is neither class nor feature, such as unfamiliarity
            return scores

    image = random_image((256, 256)) / 1000
    image[:128, :128] += 10
    m, network = make_map(image, wavelnth=6562.8, waveunit="Angstrom", cdelt1=1.06, cdelt2=1.06), Corner()
    assert classify_map(m, weights=network, card=card).label == label
    assert explain_map(m, "saliency", weights=network, card=card).meta["reltarg"] == label


def test_an_interpolated_tilt_is_put_back(spotted):
    card = replace(get_card("halpha-2"), input=replace(get_card("halpha-2").input, max_tilt=5.0))
    scene = halpha_scene("quiet", seed=1)
    tilted = make_map(scene.data, **{"crval1": 0.0, "crval2": 0.0, **rotated_header(25.0, "pc", (1.06, 1.06))})
    m = plant_spot(tilted, 170, 100)
    relevance = explain_map(m, weights=load("halpha-2"), card=card, target="sunspots")
    np.testing.assert_allclose(
        corners_and_centre(relevance.wcs, (256, 256)), corners_and_centre(m.wcs, (256, 256)), atol=1e-6
    )
    y, x = np.unravel_index(relevance.data.argmax(), relevance.data.shape)
    assert np.hypot(x - 170, y - 100) < 50
    assert relevance.mask is None


def test_relevance_says_what_it_is(explained, tmp_path):
    relevance = explained("gradcam")
    assert "relevance for sunspots by gradcam" in relevance.meta["history"]
    assert f"weights halpha-2\nSHA-256 {get_card('halpha-2').file.sha256}\n" in relevance.meta["history"]
    relevance.save(tmp_path / "relevance.fits")
    back = Map(tmp_path / "relevance.fits")
    assert [back.meta[key] for key in ("relmeth", "reltarg", "relwght")] == ["gradcam", "sunspots", "halpha-2"]
    np.testing.assert_array_equal(back.data, relevance.data)


def test_cubes_and_paths(spotted, explained, tmp_path):
    cube = NDCube(spotted.data, wcs=spotted.wcs, unit=u.DN, meta={"wavelnth": 6562.8, "waveunit": "Angstrom"})
    np.testing.assert_allclose(explain_map(cube, target="sunspots").data, explained("gradcam").data, atol=1e-6)
    spotted.save(tmp_path / "spotted.fits")
    found = explain_map(tmp_path / "spotted.fits", target="sunspots")
    np.testing.assert_allclose(found.data, explained("gradcam").data, atol=1e-6)


def test_targets_are_classes_and_features(spotted, explained):
    card = get_card("halpha-2")
    assert targets(card)[:5] == card.output.classes
    assert targets(card)[5:] == tuple(f"has_{name}" for name in card.output.features)
    predicted = explain_map(spotted)
    assert predicted.meta["reltarg"] == "sunspots"
    np.testing.assert_array_equal(predicted.data, explained("gradcam").data)
    gradients = [explained("saliency").data]
    gradients += [explain_map(spotted, "saliency", target=name).data for name in ("quiet", "has_sunspots")]
    assert all(not np.allclose(a, b, rtol=0.1) for a, b in [gradients[:2], gradients[1:], gradients[::2]])


def test_gradients_are_there_even_where_the_caller_switched_them_off(spotted, explained):
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            found = explain_map(spotted, "saliency", target="sunspots")
        np.testing.assert_allclose(found.data, explained("saliency").data, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_network_stays_as_it_is(small, spotted, method):
    state = copy.deepcopy(small.state_dict())
    needs = [parameter.requires_grad for parameter in small.parameters()]
    memory = [parameter.data_ptr() for parameter in small.parameters()]
    random = torch.random.get_rng_state()
    options = {"weights": small, "card": SILENT, **QUICK.get(method, {})}
    explain_map(spotted, method, **options)
    if method != "occlusion":
        randomisation_check(spotted, method, n=1, **options)
    assert all(torch.equal(value, state[key]) for key, value in small.state_dict().items())
    assert [parameter.requires_grad for parameter in small.parameters()] == needs
    assert [parameter.data_ptr() for parameter in small.parameters()] == memory
    assert all(parameter.grad is None for parameter in small.parameters())
    assert all(module.training for module in small.modules())
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in small.modules()]
    assert sum(hooks) == len(small.stem._forward_hooks) == 1
    assert all(module.inplace for module in small.modules() if isinstance(module, torch.nn.ReLU))
    assert torch.equal(torch.random.get_rng_state(), random)


def test_weights_from_a_file(small, spotted, tmp_path):
    card = replace(SILENT, name="other-1", version="1", network_arguments={"channels": [4, 4, 8, 8]}, default=False)
    save_weights(small, tmp_path / "other-1.safetensors", card)
    found = explain_map(spotted, weights=tmp_path / "other-1.safetensors", target="has_flares")
    given = explain_map(spotted, weights=small, card=card, target="has_flares")
    np.testing.assert_array_equal(found.data, given.data)
    assert found.meta["relwght"] == "other-1"


def test_what_lies_outside_warns_or_raises():
    m = make_map(random_image((100, 100)), wavelnth=171, waveunit="Angstrom")
    with pytest.warns(DomainWarning, match=r"17\.1 nm") as caught:
        explain_map(m)
    assert caught[0].filename == __file__
    with pytest.raises(DomainError, match=r"17\.1 nm"):
        explain_map(m, strict=True)


def test_an_image_unlike_those_of_the_training_warns_or_raises():
    noise = make_map(np.random.default_rng(0).normal(1000, 300, (256, 256)), cdelt1=1.06, cdelt2=1.06)
    with pytest.warns(DomainWarning, match="the image looks unlike those of the training"):
        explain_map(noise, target="sunspots")
    with pytest.raises(DomainError, match="looks unlike"):
        explain_map(noise, strict=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "lime"}, r"method: got 'lime', choose from \('gradcam', 'guided_backprop'"),
        ({"target": "plage"}, r"target: got 'plage', choose from \('filaments', .*'has_sunspots'\)"),
        ({"layer": "head"}, r"layer: 'head' is no module that gives maps; choose from \['features', .*'stem.3'\]"),
        ({"layer": "classes"}, "layer: 'classes' is no module that gives maps"),
        (
            {"method": "saliency", "layer": "stem"},
            "layer: 'saliency' does not use it; it belongs to .'gradcam'",
        ),
        ({"steps": 9}, r"steps: 'gradcam' does not use it; it belongs to \('integrated_gradients',\)"),
        ({"method": "integrated_gradients", "steps": 0}, "steps: expected at least 1, got 0"),
        ({"method": "occlusion", "window": 257}, "window: expected at most 256, .* got 257"),
        ({"device": "warp"}, "device: 'warp' cannot be used"),
    ],
)
def test_bad_options_are_refused(spotted, arguments, message):
    with pytest.raises(ValueError, match=message):
        explain_map(spotted, **arguments)


def test_bad_weights_and_observations_are_refused(spotted, small):
    with pytest.raises(WeightsError, match="none named 'nobody-1'"):
        explain_map(spotted, weights="nobody-1")
    with pytest.raises(WeightsError, match="needs its card"):
        explain_map(spotted, weights=small)
    card = replace(get_card("halpha-2"), output=replace(get_card("halpha-2").output, classes=()))
    with pytest.raises(WeightsError, match="'halpha-2' gives no classes"):
        explain_map(spotted, weights=small, card=card)
    with pytest.raises(ObservationError, match="none of its"):
        explain_map(make_map(np.full((20, 20), np.nan)))


def test_the_plot_shows_the_image_through_the_relevance(spotted, explained):
    figure = plot_relevance(explained("guided_backprop"), spotted)
    alone, under, bar = figure.axes
    assert alone.get_xlabel() == under.get_xlabel() != ""
    assert under.get_title() == "relevance for sunspots (guided_backprop)"
    assert bar.get_ylabel() == "relevance"
    assert (len(alone.images), len(under.images)) == (1, 2)
    overlay = under.images[1]
    assert overlay.norm.vmin == -overlay.norm.vmax
    assert overlay.cmap(0.5)[3] == 0
    assert overlay.cmap(0.0) == pytest.approx((*to_rgb("#0072b2"), 0.9))
    given = plt.figure()
    assert plot_relevance(explained("gradcam"), spotted, given) is given
    positive = given.axes[1].images[1]
    assert positive.norm.vmin == 0
    assert positive.cmap(0.0)[3] == 0
    plt.close("all")
    with pytest.raises(ValueError, match=r"its shape is \(256, 256\) and that of the observation \(60, 80\)"):
        plot_relevance(explained("gradcam"), make_map())


def test_relevance_can_be_plotted_as_a_map(explained):
    for method, cmap in (("gradcam", "viridis"), ("guided_backprop", "RdBu_r")):
        drawn = explained(method).plot()
        assert drawn.cmap.name == cmap
        assert drawn.norm.vmax > 0
        plt.close("all")


def test_without_captum_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    for name in [name for name in sys.modules if name.startswith("sunpy_ml.explain")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r"explanation needs the package 'captum'.*sunpy_ml\[explain\]"):
        importlib.import_module("sunpy_ml.explain")


def test_no_domain_is_imported():
    folder = Path(importlib.import_module("sunpy_ml.explain").__file__).parent
    assert not [path for path in folder.glob("*.py") if "import sunpy_ml.classification" in path.read_text()]
    assert not [path for path in folder.glob("*.py") if "from sunpy_ml.classification" in path.read_text()]
