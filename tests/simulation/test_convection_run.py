"""Whole runs of convection: what comes back, restarts, onset."""

import dataclasses
import shutil

import astropy.units as u
import numpy as np
import pytest
import torch
from astropy.time import Time
from safetensors.torch import load_file, save_file
from sunpy.sun import constants

from sunpy_ml.simulation.convection import ConvectionCard, ConvectionRun, convection_run

TINY = {"shape": (24, 8, 10), "cell": (60, 200, 200) * u.km, "cadence": 10 * u.s}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A run of four frames, and the restart file at its end."""
    path = tmp_path_factory.mktemp("convection") / "whole.safetensors"
    return convection_run(40 * u.s, save=path, **TINY), path


def test_cubes(tiny):
    run, _ = tiny
    cube = run.intensity
    assert cube.data.shape == (4, 8, 10)
    assert cube.data.dtype == np.float32
    assert cube.unit == u.W / u.m**2 / u.sr
    # The solar flux over pi, and a little more at the centre of the disk.
    assert cube.data.mean() == pytest.approx(6.3e7 / np.pi, rel=0.5)
    assert cube.meta["cadence"] == 10
    for name, unit in {"vx": u.m / u.s, "vy": u.m / u.s, "vz": u.m / u.s, "temperature": u.K}.items():
        fields = [run.field(name, depth) for depth in (1.0, 0.1, 0.01)]
        assert all(field.unit == unit and field.data.shape == (4, 8, 10) for field in fields)
    hot, cool, cold = (run.field("temperature", depth).data.mean() for depth in (1.0, 0.1, 0.01))
    assert 7000 > hot > cool > cold > 3500


def test_coordinates(tiny):
    run, _ = tiny
    corner, moment = run.intensity.wcs.pixel_to_world(0, 0, 3)
    apart, _ = run.intensity.wcs.pixel_to_world(1, 0, 3)
    assert Time(moment).isot == "2020-01-01T00:00:40.000"
    length = corner.separation(apart).to_value("rad") * (1 * u.au - constants.radius)
    assert u.isclose(length, 200 * u.km, rtol=1e-4)
    assert corner.Tx < 0 * u.arcsec
    assert u.isclose(corner.Tx / corner.Ty, 4.5 / 3.5, rtol=1e-3)
    assert u.isclose(corner.observer.radius, 1 * u.au)


def test_figures(tiny):
    run, _ = tiny
    table = run.figures()
    assert len(table) == 4
    assert table["time"].to_value("s").tolist() == [10, 20, 30, 40]
    assert table["horizontal"].unit == u.km / u.s
    assert np.all(table["flux"] > 1e7 * u.W / u.m**2)


@pytest.mark.parametrize("halfway", [1, 3])
def test_restart_equals_continuous(tiny, tmp_path, halfway):
    whole, last = tiny
    path = tmp_path / "half.safetensors"
    first = convection_run(halfway * 10 * u.s, save=path, **TINY)
    second = convection_run((4 - halfway) * 10 * u.s, cadence=10 * u.s, restart=path, save=path)
    joined = np.concatenate([first.intensity_values, second.intensity_values])
    assert np.array_equal(joined, whole.intensity_values)
    assert torch.equal(load_file(path)["state"], load_file(last)["state"])
    assert second.seconds[-1] == 40 * u.s
    assert second.card == whole.card


def test_spin_up_leaves_out_frames(tiny):
    whole, _ = tiny
    run = convection_run(20 * u.s, spin_up=20 * u.s, **TINY)
    assert np.array_equal(run.intensity_values, whole.intensity_values[2:])
    assert run.seconds.to_value("s").tolist() == [30, 40]


def test_seed(tiny):
    whole, _ = tiny
    again = convection_run(10 * u.s, **TINY)
    other = convection_run(10 * u.s, seed=1, **TINY)
    assert np.array_equal(again.intensity_values[0], whole.intensity_values[0])
    assert not np.array_equal(other.intensity_values[0], whole.intensity_values[0])


def test_file_of_a_run(tiny, tmp_path):
    run, _ = tiny
    run.write(tmp_path / "run.safetensors")
    again = ConvectionRun.read(tmp_path / "run.safetensors")
    assert np.array_equal(again.surface_values, run.surface_values)
    assert np.array_equal(again.intensity_values, run.intensity_values)
    assert u.allclose(again.pixel, run.pixel)
    assert again.card == run.card
    assert again.depths == run.depths
    assert again.epoch == run.epoch
    assert u.allclose(again.flux, run.flux)


def test_card_is_heard(tiny):
    whole, _ = tiny
    card = ConvectionCard(interior_temperature=1.2 * ConvectionCard().interior_temperature)
    run = convection_run(10 * u.s, card=card, **TINY)
    assert run.card == card
    assert not np.allclose(run.intensity_values[0], whole.intensity_values[0], rtol=1e-3)


def test_global_state_is_left_alone(capsys):
    before = torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype(), torch.random.get_rng_state()
    convection_run(10 * u.s, **TINY)
    after = torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype(), torch.random.get_rng_state()
    assert before[:3] == after[:3]
    assert torch.equal(before[3], after[3])
    assert capsys.readouterr() == ("", "")


def test_progress_bar(capsys):
    convection_run(10 * u.s, progress=True, **TINY)
    assert "convection" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"duration": 1 * u.s}, "duration is 1.0 s: give at least 10.0 s"),
        ({"duration": np.inf * u.s}, "duration"),
        ({"cadence": 0 * u.s}, "cadence"),
        ({"spin_up": -20 * u.s}, "spin_up"),
        ({"shape": (24, 8)}, "shape"),
        ({"shape": (24, 2, 8)}, "shape"),
        ({"shape": (200, 8, 8)}, "can be 4.0 Mm high"),
        ({"cell": 30 * u.km}, "cell"),
        ({"cell": (30, -1, 30) * u.km}, "cell"),
        ({"depths": ()}, "depths"),
        ({"depths": (1e-6,)}, "depths"),
    ],
)
def test_bad_input(words, message):
    with pytest.raises(ValueError, match=message):
        convection_run(**{"duration": 10 * u.s, **TINY, **words})


def test_units_are_asked_for():
    with pytest.raises(u.UnitsError):
        convection_run(10 * u.km)
    with pytest.raises(TypeError):
        convection_run(10)


def test_bad_restart(tmp_path):
    with pytest.raises(FileNotFoundError, match="restart"):
        convection_run(restart=tmp_path / "none.safetensors")
    other = tmp_path / "other.safetensors"
    save_file({"state": torch.zeros(5, 4, 4, 4)}, other)
    with pytest.raises(ValueError, match="no convection run wrote"):
        convection_run(restart=other)
    with pytest.raises(ValueError, match="holds no convection run"):
        ConvectionRun.read(other)


def test_card_and_restart_exclude_each_other(tiny):
    _, path = tiny
    with pytest.raises(ValueError, match="leave one out"):
        convection_run(restart=path, card=ConvectionCard())


def test_field_that_is_not_there(tiny):
    run, _ = tiny
    with pytest.raises(ValueError, match="name is 'v'"):
        run.field("v")
    with pytest.raises(ValueError, match=r"depth is 0\.5: the run has 1\.0, 0\.1, 0\.01"):
        run.field("vx", 0.5)


def test_breakdown_is_told():
    with pytest.raises(FloatingPointError, match="courant"):
        convection_run(200 * u.s, card=ConvectionCard(courant=40.0), **TINY)


def test_card_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ConvectionCard().gravity = 1.0


def test_onset_of_granulation():
    run = convection_run(
        1 * u.min,
        spin_up=6 * u.min,
        cadence=30 * u.s,
        shape=(32, 16, 16),
        cell=(60, 200, 200) * u.km,
    )
    table = run.figures()
    # From a disturbance that nobody sees to bright upflows and dark downflows.
    assert 5 < table["contrast"][-1].value < 40
    assert table["correlation"][-1] > 0.5
    assert table["vertical"][-1] > 0.5 * u.km / u.s
    assert table["mean_share"][-1].value < 10
    assert table["flux"][-1].to_value("W/m2") == pytest.approx(6.3e7, rel=0.5)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
# torch's compiler uses what torch has deprecated.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning")
def test_compiled_equals_eager(tiny):
    run, _ = tiny
    compiled = convection_run(20 * u.s, compiled=True, **TINY)
    assert np.allclose(compiled.intensity_values, run.intensity_values[:2], rtol=1e-4)
