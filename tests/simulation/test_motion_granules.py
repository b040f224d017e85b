"""Drawn granulation: contrast, and structures of solar size."""

import astropy.units as u
import numpy as np
import pytest
import torch
from scipy.ndimage import label

from sunpy_ml.simulation.motion import granulation


def peak_wavelength(image, pixel):
    """Where k P(k) peaks, in the unit of the pixel: power summed over rings of equal width."""
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
    power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2
    number = np.hypot(np.fft.fftfreq(image.shape[0], pixel)[:, None], np.fft.fftfreq(image.shape[1], pixel))
    edges = np.arange(0.15, 3.0, 0.1)
    rings = np.digitize(number, edges)
    total = [power[rings == ring].sum() for ring in range(1, len(edges))]
    return 1 / (edges[:-1] + 0.05)[int(np.argmax(total))]


@pytest.mark.parametrize("pixel", [0.04, 0.08, 0.15])
def test_granules_are_one_to_two_mm_apart(pixel):
    images = granulation((224, 224), pixel=pixel * u.Mm, count=3, seed=2)
    wavelengths = [peak_wavelength(image.numpy(), pixel) for image in images]
    assert np.all((np.array(wavelengths) > 1) & (np.array(wavelengths) < 2))


def test_the_same_measure_finds_granules_in_a_simulation_of_convection(shared_data):
    image = np.load(shared_data / "high_resolution" / "mhd_continuum_48km.npy")
    assert 1 < peak_wavelength(image, 0.048) < 2


def test_spacing_is_what_was_asked():
    coarse = granulation((224, 224), pixel=80 * u.km, spacing=2.8 * u.Mm, seed=5)[0]
    # Half the number of granules along each axis; the same peak, in their units.
    assert 2 < peak_wavelength(coarse.numpy(), 0.08) < 4


@pytest.mark.parametrize("contrast", [0.0, 0.04, 0.14])
@pytest.mark.parametrize("pixel", [50, 360])
def test_mean_and_contrast(contrast, pixel):
    images = granulation((96, 80), pixel=pixel * u.km, contrast=contrast, count=2)
    assert images.dtype == torch.float32
    torch.testing.assert_close(images.mean(dim=(1, 2)), torch.ones(2), rtol=1e-4, atol=0)
    torch.testing.assert_close(images.std(dim=(1, 2), correction=0), torch.full((2,), contrast), rtol=1e-3, atol=1e-6)
    assert images.min() >= 0


def test_bright_cells_fill_more_than_dark_lanes():
    image = granulation((200, 200), pixel=60 * u.km, seed=1)[0]
    assert 0.5 < float((image > 1).double().mean()) < 0.7
    # Lanes are connected, granules are not.
    dark, number_dark = label((image < 0.97).numpy())
    bright, number_bright = label((image > 1.05).numpy())
    assert number_bright > 2 * number_dark
    assert np.bincount(dark.ravel())[1:].max() > 0.5 * (dark > 0).sum()
    assert np.bincount(bright.ravel())[1:].max() < 0.5 * (bright > 0).sum()


def test_periodic_images_meet_at_their_edges():
    def jump(image):
        inside = (image[:, 1:] - image[:, :-1]).square().mean()
        return float((image[:, 0] - image[:, -1]).square().mean() / inside)

    arguments = {"shape": (160, 160), "pixel": 60 * u.km, "seed": 3}
    assert jump(granulation(**arguments, periodic=True)[0]) < 3
    assert jump(granulation(**arguments, periodic=False)[0]) > 5


def test_seeds_decide_and_a_batch_does_not():
    arguments = {"shape": (48, 40), "pixel": 80 * u.km}
    many = granulation(**arguments, count=3, seed=4)
    assert torch.equal(many[:1], granulation(**arguments, seed=4))
    assert not torch.equal(many[0], many[1])
    mixed = granulation((48, 40), pixel=[80, 160] * u.km, count=2, seed=4)
    assert torch.equal(mixed[:1], many[:1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"contrast": -0.1}, "contrast is -0.1"),
        ({"spacing": 0 * u.Mm}, "spacing is 0"),
        ({"count": 0}, "count is 0"),
        ({"shape": (2, 2)}, r"shape is \(2, 2\)"),
        ({"pixel": 0 * u.km}, "pixel is 0"),
        ({"pixel": 2 * u.Mm}, r"pixel is 2 Mm, where granules are 1\.4 Mm apart"),
    ],
)
def test_bad_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        granulation(**{"shape": (32, 32), "pixel": 80 * u.km, **arguments})
