"""What the embedded networks make of a real active region, and of SHARPs."""

import numpy as np
import pytest
from astropy.io import fits

from sunpy_ml import enhance_hmi
from sunpy_ml.enhancement.sources import quiet_contrast
from sunpy_ml.exceptions import HeaderWarning
from tests.maps import make_map

HMI = {"wavelnth": 6173.0, "telescop": "SDO/HMI", "cdelt1": 0.504, "cdelt2": 0.504}
#: 10 arcsec, in pixels of HMI.
EDGE = 20


def inner(image, factor=1):
    return image[factor * EDGE : -factor * EDGE, factor * EDGE : -factor * EDGE]


def cutout(shared_data, name, unit):
    data = fits.getdata(shared_data / "hmi_cutouts" / f"{name}.fits").astype(np.float32)
    return make_map(data, bunit=unit, **HMI)


def test_a_real_continuum_image(shared_data):
    seen = cutout(shared_data, "ar_continuum", "")
    sharp = enhance_hmi(seen)
    quiet = slice(140, 200), slice(0, 60)
    assert quiet_contrast(seen.data[quiet]) == pytest.approx(0.040, abs=0.002)
    finer = slice(280, 400), slice(0, 120)
    assert 0.07 < quiet_contrast(sharp.data[finer]) < 0.09
    difference = inner(sharp.meta["consistency"].data)
    assert np.sqrt(np.mean(difference**2)) < 0.004
    assert inner(sharp.data, 2).mean() == pytest.approx(inner(seen.data).mean(), rel=0.002)
    assert 0.03 < sharp.data.min() < seen.data.min()


def test_a_real_magnetogram(shared_data):
    seen = cutout(shared_data, "ar_blos", "G")
    sharp = enhance_hmi(seen)
    difference = inner(sharp.meta["consistency"].data)
    assert np.sqrt(np.mean(difference**2)) < 15
    unsigned = 4 * np.abs(inner(seen.data)).sum()
    assert abs(inner(sharp.data, 2).sum() - 4 * inner(seen.data).sum()) < 0.005 * unsigned
    assert 1 < np.abs(inner(sharp.data, 2)).sum() / unsigned < 1.2
    assert 1 < np.abs(sharp.data).max() / np.abs(seen.data).max() < 1.5


@pytest.mark.parametrize(("kind", "unit"), [("continuum", ""), ("magnetogram", "G")])
def test_real_sharps(shared_data, kind, unit):
    (path,) = (shared_data / "hmi_sharp").glob(f"*13845*{'continuum' if kind == 'continuum' else 'magnetogram'}.fits")
    with pytest.warns(HeaderWarning, match="no unit"):
        sharp = enhance_hmi(path, kind=kind)
    assert sharp.unit == unit
    assert sharp.meta["cdelt1"] == pytest.approx(0.015)
    assert sharp.meta["consrms"] < 0.01 * np.abs(sharp.data).max()
