"""The second file of the authors: fetched from a server on loopback, verified, and never run."""

import dataclasses
import hashlib
import io
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import astropy.units as u
import numpy as np
import pytest
import sunpy
import torch
from astropy.wcs import WCS
from ndcube import NDCube

from sunpy_ml import deepvel_flow
from sunpy_ml.exceptions import WeightsError
from sunpy_ml.weights import FileSource, build_network, companion_path, get_card, load, output_constants
from sunpy_ml.weights.fetching import local
from tests.weights.keras_files import layers_of, write

VELOCITIES = {"vx_tau_1": (-9000.0, 8000.0), "vy_tau_1": (-7000.0, 6000.0)}


class Quiet(SimpleHTTPRequestHandler):
    """Gives the files of a folder."""

    def log_message(self, *arguments):
        pass


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder, and the address under which its files are."""
    folder = tmp_path / "site"
    folder.mkdir()
    before = sunpy.config.get("downloads", "remote_data_manager_dir")
    sunpy.config.set("downloads", "remote_data_manager_dir", str(tmp_path / "data_manager"))
    monkeypatch.delenv("SUNPY_ML_WEIGHTS_DIR", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(local, "_hashed", {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    sunpy.config.set("downloads", "remote_data_manager_dir", before)


def arrays(values=None):
    """As the authors keep them, with more than is asked for."""
    return {
        f"{name}_{which}": np.array([value])
        for name, extremes in (values or VELOCITIES).items()
        for which, value in zip(("min", "max"), extremes, strict=True)
    } | {"ic_tau_1_median": np.array([2379.0])}


def source(site, name, content, **others):
    folder, address = site
    (folder / name).write_bytes(content)
    known = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "urls": (f"{address}/{name}",)}
    return FileSource(**(known | others))


def packed(**contents):
    file = io.BytesIO()
    np.savez(file, **contents)
    return file.getvalue()


def with_companion(site, content, **others):
    card = get_card("deepvel-muram-ar-d1000km")
    companion = source(site, "simulation_properties.npz", content, format="npz", **others)
    return dataclasses.replace(
        card, companion=companion, output=dataclasses.replace(card.output, keys=tuple(VELOCITIES))
    )


def test_weights_and_companion_are_fetched_and_give_velocities(site, tmp_path):
    card = with_companion(site, packed(**arrays()))
    arguments = {"n_inputs": 2, "n_outputs": 2, "depth": 1, "channels": 4}
    torch.manual_seed(0)
    network = build_network("deepvel", arguments).eval()
    path = write(tmp_path / "net.h5", layers_of(network, 2), group="model_weights")
    file = source(site, "net.h5", path.read_bytes(), format="keras")
    card = dataclasses.replace(card, network_arguments=arguments, file=file)
    frames = np.random.default_rng(0).normal(1, 0.1, (2, 24, 32)).astype(np.float32)
    cube = NDCube(frames, wcs=WCS(naxis=3), meta={"wavelnth": 6173})
    flow = deepvel_flow(cube, weights=load(card), card=card, cadence=45 * u.s, scale=0.504 * u.arcsec / u.pix)
    with torch.inference_mode():
        numbers = network(torch.from_numpy(frames / np.median(frames))[None])[0].numpy()
    # In cm/s, and the authors' x is along the rows.
    for component, (name, channel) in {"vy": ("vx_tau_1", 0), "vx": ("vy_tau_1", 1)}.items():
        least, most = VELOCITIES[name]
        expected = (least + (most - least) * numbers[channel]) * 1e-5
        np.testing.assert_allclose(flow[component].data[0], expected, atol=1e-5)


def test_constants_of_a_card_without_a_companion():
    assert companion_path(get_card("deepvel-2017")) is None
    offset, scale = output_constants(get_card("deepvelu-ar-ic"))
    assert offset.tolist() == [-992261, -1068232.4]
    assert scale.tolist() == [1958135.44, 2113206.65]


def test_a_channel_without_a_meaning_stays_as_it_is(site):
    card = with_companion(site, packed(**arrays()))
    named = {"channels": ("vx", "vy", "?"), "units": ("cm / s", "cm / s", ""), "keys": (*VELOCITIES, "")}
    card = dataclasses.replace(card, output=dataclasses.replace(card.output, **named))
    offset, scale = output_constants(card)
    assert offset.tolist() == [-9000, -7000, 0]
    assert scale.tolist() == [17000, 13000, 1]


def test_other_content_is_refused(site):
    card = with_companion(site, packed(**arrays()), sha256="0" * 64)
    with pytest.raises(WeightsError, match="SHA-256"):
        output_constants(card)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive at all", "cannot be read as npz"),
        (packed(vx_tau_1_min=np.array([1.0])), "has no constant: .*vx_tau_1_max"),
        (packed(**arrays({"vx_tau_1": (1, 1), "vy_tau_1": (0, 1)})), "holds no range"),
        (packed(**arrays({"vx_tau_1": (np.nan, 1), "vy_tau_1": (0, 1)})), "holds no range"),
        (packed(**{**arrays(), "vx_tau_1_min": np.array([1.0, 2.0])}), "cannot be read as npz"),
        # An array of objects is a pickle.
        (packed(**{**arrays(), "vx_tau_1_min": np.array([{"a": 1}], dtype=object)}), "cannot be read as npz"),
    ],
)
def test_files_that_hold_no_constants(site, content, message):
    with pytest.raises(WeightsError, match=message):
        output_constants(with_companion(site, content))


def test_a_companion_of_unknown_checksums_has_to_be_an_archive(site):
    card = with_companion(site, b"<html>no such page</html>", size=0, sha256="")
    with pytest.raises(WeightsError, match="are unverified"):
        output_constants(card)
