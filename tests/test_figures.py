"""Every kind of figure against a picture of it that somebody has looked at; compared in tox's environment `figure`."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import QTable

from sunpy_ml import classify_map, detect_emergence
from sunpy_ml.explain import plot_relevance
from sunpy_ml.flows import kinetic_energy_spectrum, plot_flow
from sunpy_ml.simulation import halpha_scene
from sunpy_ml.training import plot_learning_curves
from sunpy_ml.training.calibration import reliability
from sunpy_ml.training.figures import plot_confusion, plot_reliability
from tests.emergence.growing import Lopsided, Rise, card_of, growing_cube
from tests.flows.fields import flow_of, grid

# Between versions of matplotlib, letters move by parts of a pixel.
compared = pytest.mark.mpl_image_compare(
    tolerance=8, style="default", savefig_kwargs={"dpi": 70}, baseline_dir="baseline"
)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def vortex():
    x, y = grid()
    swirl = np.exp(-np.hypot(x, y) / 1000)
    return flow_of([[-y / 1000 * swirl, x / 1000 * swirl]], celestial=True)


@pytest.fixture(scope="module")
def scene():
    return halpha_scene("sunspots", seed=1)


@compared
def test_classification(scene):
    return classify_map(scene).plot()


@compared
def test_relevance(scene):
    y, x = np.indices(scene.data.shape) / np.array(scene.data.shape)[:, None, None] - 0.5
    relevance = np.exp(-30 * (x**2 + y**2)) - 0.5 * np.exp(-60 * ((x - 0.3) ** 2 + y**2))
    told = {"bunit": "", "reltarg": "sunspots", "relmeth": "gradcam"}
    return plot_relevance(type(scene)(relevance, {**scene.meta, **told}), scene)


@compared
def test_confusion():
    return plot_confusion(np.array([[40, 2, 0], [3, 55, 1], [0, 4, 12]]), ["filaments", "quiet", "sunspots"], "GONG")


@compared
def test_reliability():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.4, 1, 400)
    right = rng.uniform(size=400) < sure
    other = np.where(right, 0, 1)
    return plot_reliability(reliability(np.stack([sure, 1 - sure], axis=1), other), "GONG")


@compared
def test_learning_curves():
    epochs = np.arange(1, 11)
    curves = QTable({"epoch": epochs, "loss": 1 / epochs, "validation_loss": 1 / epochs + 0.01 * epochs})
    curves["validation_accuracy"] = 1 - 0.5 / epochs
    return plot_learning_curves(curves)


@compared
@pytest.mark.parametrize("kind", ["quiver", "streamlines"])
def test_flow(vortex, kind):
    return plot_flow(vortex, kind=kind, every=4).figure


@compared
def test_spectrum(vortex):
    # What has a few kilometres a second at all scales, twice, so that the noise is known.
    noise = np.random.default_rng(1).normal(size=(2, 2, 48, 64))
    return (
        kinetic_energy_spectrum(flow_of(noise + np.array([vortex[name].data[0] for name in ("vx", "vy")])))
        .plot()
        .figure
    )


@compared
def test_emergence():
    return detect_emergence(growing_cube(7.3), weights=Rise(), card=card_of(), progress=False).plot()


@compared
def test_emergence_with_saliency():
    shape = (12, 12)
    cube = growing_cube(7.3, shape=shape)
    result = detect_emergence(cube, weights=Lopsided(shape), card=card_of(shape), progress=False)
    return result.plot(saliency="saliency")
