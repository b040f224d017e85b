"""Velocity fields in files come back as they were."""

import sys

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import InverseVariance, StdDevUncertainty, UnknownUncertainty, VarianceUncertainty
from astropy.time import Time
from ndcube import NDCollection

from sunpy_ml.flows import check_flow_path, divergence, read_flow_file, write_flow
from sunpy_ml.flows.result import wrap_flow
from sunpy_ml.observations import image_sequence
from tests.flows.fields import flow_of
from tests.maps import make_map, rotated_header


def field(*, levels=0, deviation=False, start="2014-10-24T12:00:00", **header):
    """Velocities on turned pixels, of which some are masked."""
    frames = np.random.default_rng(0).normal(1, 0.1, (4, 20, 30))
    dates = Time(start) + 30 * u.s * np.arange(4)
    maps = [make_map(f, date__obs=d.isot, **header) for f, d in zip(frames, dates, strict=True)]
    shape = (3, levels, 20, 30) if levels else (3, 20, 30)
    rng = np.random.default_rng(1)
    mask = rng.random(shape) < 0.1
    velocity = rng.normal(size=(3, 2, *shape[1:]))
    return wrap_flow(
        image_sequence(maps),
        velocity,
        mask,
        first=15 * u.s,
        spacing=30 * u.s,
        deviation=abs(velocity) if deviation else None,
        log_tau=[0.0, -1.0, -2.0][:levels],
        meta={
            "flow": "test",
            "cadence": 30 * u.s,
            "at_limit": (1, 2, 3),
            "subsonic": None,
            "turned": True,
            "size": 1.5,
        },
    )


FIELDS = {
    "plain": {},
    "turned": rotated_header(25.0, "pc", cdelt=(0.2, 0.3)),
    "depths": {"levels": 3, "deviation": True},
}


def assert_same(found, given):
    assert isinstance(found, NDCollection)
    assert set(found) == set(given)
    assert found.aligned_axes == given.aligned_axes
    for name, cube in given.items():
        other = found[name]
        assert other.data.dtype == cube.data.dtype
        assert other.data.dtype.isnative
        np.testing.assert_array_equal(other.data, cube.data)
        np.testing.assert_array_equal(other.mask, cube.mask)
        assert other.unit == cube.unit
        assert other.meta == cube.meta
        pixels = np.random.default_rng(2).uniform(0, 3, (cube.data.ndim, 5))
        for one, two in zip(*(c.wcs.low_level_wcs.pixel_to_world_values(*pixels) for c in (other, cube)), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-9)
        first, second = (c.wcs.pixel_to_world(*pixels) for c in (other, cube))
        for one, two in zip(first, second, strict=True):
            if isinstance(one, Time):
                assert abs(one - two).max() < 1 * u.us


@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty, InverseVariance])
def test_an_uncertainty_that_is_attached_comes_along(tmp_path, kind):
    flow = field()
    for cube in flow.values():
        cube.uncertainty = kind(abs(cube.data) + 1)
    write_flow(flow, tmp_path / "flow.fits")
    found = read_flow_file(tmp_path / "flow.fits")
    assert_same(found, flow)
    for name, cube in flow.items():
        assert type(found[name].uncertainty) is kind
        assert found[name].uncertainty.unit == cube.uncertainty.unit
        np.testing.assert_array_equal(found[name].uncertainty.array, cube.uncertainty.array)


def test_an_uncertainty_without_a_place_in_fits_is_refused(tmp_path):
    flow = field()
    flow["vy"].uncertainty = UnknownUncertainty(flow["vy"].data)
    with pytest.raises(ValueError, match="the uncertainty of 'vy' is of kind 'unknown'"):
        write_flow(flow, tmp_path / "flow.fits")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["fits", "asdf"])
@pytest.mark.parametrize("name", FIELDS)
def test_what_is_written_is_read_back(tmp_path, name, ending):
    flow = field(**FIELDS[name])
    path = tmp_path / "deeper" / f"flow.{ending}"
    write_flow(flow, path)
    assert_same(read_flow_file(path), flow)


@pytest.mark.parametrize("ending", ["fits", "asdf"])
def test_what_was_cut_out_and_what_has_lengths_for_axes(tmp_path, ending):
    cut = field(levels=3)[1:, 1, 4:12, 3:]
    lengths = flow_of(np.random.default_rng(0).normal(size=(2, 2, 12, 16)), window=1.5 * u.Mm)
    for number, flow in enumerate((cut, lengths)):
        path = tmp_path / f"{number}.{ending}"
        write_flow(flow, path)
        found = read_flow_file(path)
        np.testing.assert_array_equal(found["vy"].data, flow["vy"].data)
        assert (found["vy"].mask is None) == (flow["vy"].mask is None)
        np.testing.assert_allclose(divergence(found).data, divergence(flow).data, rtol=1e-9)
        assert found["vx"].meta == flow["vx"].meta


def test_others_can_read_the_images(tmp_path):
    flow = field(deviation=True)
    path = tmp_path / "flow.fits"
    write_flow(flow, path)
    with fits.open(path) as file:
        names = [image.name for image in file]
        assert names[1:] == [
            *(f"{name}{what}" for name in ("VX", "VY", "SIGMA_VX", "SIGMA_VY") for what in ("", "_MASK")),
            "META",
        ]
        header = file["VX"].header
        assert header["BUNIT"] == "km s-1"
        assert header["CTYPE3"] == "TIME"
        assert header["DATE-OBS"].startswith("2014-10-24T12:00:15")
        assert header["DSUN_OBS"] == 1.49e11
        assert np.isnan(file["VX"].data[file["VX_MASK"].data == 1]).all()


def test_nothing_is_replaced_unless_that_is_said(tmp_path):
    path = tmp_path / "flow.fits"
    write_flow(field(), path)
    other = field(deviation=True)
    with pytest.raises(ValueError, match="say overwrite=True"):
        write_flow(other, path)
    assert set(read_flow_file(path)) == {"vx", "vy"}
    write_flow(other, path, overwrite=True)
    assert_same(read_flow_file(path), other)


def test_mistakes_are_told(tmp_path):
    with pytest.raises(ValueError, match=r"must end in one of \('.fits', '.asdf'\)"):
        write_flow(field(), tmp_path / "flow.npz")
    with pytest.raises(ValueError, match=r"must end in one of"):
        read_flow_file(tmp_path / "flow.npz")
    with pytest.raises(ValueError, match="there is no file"):
        read_flow_file(tmp_path / "flow.asdf")
    path = tmp_path / "map.fits"
    make_map().save(path)
    with pytest.raises(ValueError, match="holds no velocity field"):
        read_flow_file(path)
    import asdf

    asdf.AsdfFile({"other": 1}).write_to(tmp_path / "other.asdf")
    with pytest.raises(ValueError, match="holds no velocity field"):
        read_flow_file(tmp_path / "other.asdf")


def test_without_the_extra_asdf_the_cure_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "asdf_astropy", None)
    with pytest.raises(ImportError, match=r"sunpy_ml\[asdf\].*or write FITS"):
        check_flow_path(tmp_path / "flow.asdf")
    assert check_flow_path(tmp_path / "flow.fits") == tmp_path / "flow.fits"
