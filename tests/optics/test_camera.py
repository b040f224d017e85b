"""Cameras, and the figures by which HMI's is known to be right."""

import astropy.units as u
import numpy as np
import pytest
import torch
from astropy.io import fits

from sunpy_ml.optics import (
    HMI,
    HMI_WACHTER,
    IDEAL_28CM,
    SUNRISE_IMAX,
    Camera,
    Padding,
    apply_transfer,
    observe,
    ratio,
    sample,
)

FINE = 0.066 * u.arcsec / u.pix


def contrast(image):
    return 100 * float(image.std() / image.mean())


def granules(*shape, seed=0, dtype=torch.float64):
    """A periodic field with structure of about an arcsec, at 0.066 arcsec."""
    white = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    fy = torch.fft.fftfreq(shape[-2], 0.066, dtype=dtype)[:, None]
    fx = torch.fft.rfftfreq(shape[-1], 0.066, dtype=dtype)
    smooth = torch.fft.irfft2(torch.fft.rfft2(white) * torch.exp(-2 * (fy**2 + fx**2)), s=shape[-2:])
    return 1 + 0.15 * smooth / smooth.std()


@pytest.fixture(scope="module")
def snapshot(shared_data):
    image = torch.as_tensor(np.load(shared_data / "high_resolution" / "mhd_continuum_48km.npy")).double()
    return image / image.mean(), 48 / 725.27 * u.arcsec / u.pix


def test_simulated_granulation_gets_the_contrast_of_hmi(snapshot):
    image, scale = snapshot
    assert contrast(image) == pytest.approx(16.3, abs=0.05)
    blurred = apply_transfer(image, HMI.transfer(), scale=scale)
    assert contrast(blurred) == pytest.approx(3.95, abs=0.03)
    assert contrast(observe(image, HMI, scale=scale, padding="periodic")) == pytest.approx(3.76, abs=0.03)
    assert contrast(observe(image, HMI_WACHTER, scale=scale, padding="periodic")) == pytest.approx(4.19, abs=0.03)
    fine = apply_transfer(image, IDEAL_28CM.transfer(), scale=scale)
    assert contrast(fine) == pytest.approx(9.1, abs=0.05)
    assert contrast(observe(image, IDEAL_28CM, scale=scale, padding="periodic")) == pytest.approx(8.7, abs=0.05)


def test_nothing_is_blurred_twice(snapshot):
    image, scale = snapshot
    fine = apply_transfer(image, IDEAL_28CM.transfer(), scale=scale)
    right = apply_transfer(image, HMI.transfer(), scale=scale)
    again = apply_transfer(fine, ratio(HMI.transfer(), IDEAL_28CM.transfer()), scale=scale)
    assert float((again - right).std()) < 1e-6
    twice = apply_transfer(fine, HMI.transfer(), scale=scale)
    assert contrast(twice) == pytest.approx(3.28, abs=0.03)
    assert 100 * float((twice - right).std()) == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("integrated", [True, False])
def test_a_fine_image_is_seen_again_as_hmi_would_have(snapshot, integrated):
    image, scale = snapshot
    target = observe(image, IDEAL_28CM, scale=scale, padding="periodic", integrate=integrated)
    again = observe(target, HMI, scale=IDEAL_28CM.pixel, source=IDEAL_28CM, source_integrated=integrated)
    direct = observe(image, HMI, scale=scale, padding="periodic")
    # The mirror at the edges is not what lies there.
    inner = (again - direct)[12:-12, 12:-12]
    assert 100 * float(inner.std()) < 0.01


def quiet_fields(shared_data, size=40):
    """Windows of the real cut-out without field or pores."""
    folder = shared_data / "hmi_cutouts"
    light, field = (fits.getdata(folder / f"ar_{name}.fits").astype(float) for name in ("continuum", "blos"))
    windows = [
        (slice(y, y + size), slice(x, x + size)) for y in range(0, 161, size // 2) for x in range(0, 161, size // 2)
    ]
    return [light[w] for w in windows if np.abs(field[w]).mean() < 15 and light[w].min() > 0.9]


def spectrum(fields, pixel=0.504):
    """Mean power at frequencies from 0.05 to 0.85 per arcsec, in steps of 0.1."""
    size = fields[0].shape[0]
    taper = np.outer(*2 * [np.hanning(size + 2)[1:-1]])
    frequency = np.fft.fftfreq(size, pixel)
    band = np.floor((np.hypot(frequency[:, None], frequency) - 0.05) / 0.1)
    power = 0
    for window in fields:
        image = window / window.mean() - 1
        power = power + np.abs(np.fft.fft2((image - image.mean()) * taper)) ** 2
    return np.array([power[band == k].mean() for k in range(8)]) / len(fields)


def test_the_real_quiet_sun_looks_like_the_simulated_one(snapshot, shared_data):
    image, scale = snapshot
    real = quiet_fields(shared_data)
    assert len(real) == 5
    assert all(3.6 < contrast(window) < 4.25 for window in real)
    seen = observe(image, HMI, scale=scale, padding="periodic").numpy()
    simulated = [seen[y : y + 40, x : x + 40] for y in range(0, 81, 40) for x in range(0, 81, 40)]
    amplitudes = np.sqrt(spectrum(real) / spectrum(simulated))
    assert ((amplitudes > 0.9) & (amplitudes < 1.25)).all()
    assert np.median(amplitudes) == pytest.approx(1, abs=0.1)


def test_a_camera_is_its_parts():
    image = granules(150, 160)
    camera = Camera(HMI, (150, 160), scale=FINE, padding="periodic", phase=(0.2, 0.7), dtype=torch.float64)
    seen = apply_transfer(image, HMI.transfer(), scale=FINE)
    parts = sample(seen, scale=FINE, pixel=HMI.pixel, phase=(0.2, 0.7))
    torch.testing.assert_close(camera(image), parts)
    assert camera.output_shape == parts.shape
    torch.testing.assert_close(observe(image, HMI, scale=FINE, padding="periodic", phase=(0.2, 0.7)), parts)


def test_padding_matters_near_the_edges_only():
    image = granules(600, 600)
    mirrored = observe(image[:300, :300], HMI, scale=FINE)
    whole = observe(image, HMI, scale=FINE, padding="periodic")[:39, :39]
    difference = (mirrored - whole).abs()
    assert difference[12:-12, 12:-12].max() < 0.1 * difference.max()
    level = observe(image[:300, :300], HMI, scale=FINE, padding=Padding("level", 100))
    assert (level - whole)[12:-12, 12:-12].abs().max() < 2e-3


def test_batches_and_gradients():
    camera = Camera(
        HMI, (16, 18), scale=IDEAL_28CM.pixel, source=IDEAL_28CM, padding=Padding("reflect", 8), dtype=torch.float64
    )
    images = granules(2, 1, 16, 18)
    seen = camera(images)
    for image, one in zip(images, seen, strict=True):
        torch.testing.assert_close(camera(image), one)
    assert torch.autograd.gradcheck(camera, images.requires_grad_())


def test_a_camera_is_linear_and_keeps_the_level():
    camera = Camera(HMI, (100, 100), scale=FINE)
    image = granules(100, 100, dtype=torch.float32)
    torch.testing.assert_close(camera(3 * image - 5), 3 * camera(image) - 5, atol=1e-5, rtol=0)
    torch.testing.assert_close(camera(torch.ones(100, 100)), torch.ones(camera.output_shape))


def test_a_restored_image_has_more_contrast():
    image = granules(256, 256)
    seen = apply_transfer(image, SUNRISE_IMAX.transfer(), scale=FINE)
    blurred = observe(seen, IDEAL_28CM, scale=FINE, padding="periodic")
    restored = observe(seen, IDEAL_28CM, scale=FINE, padding="periodic", source=SUNRISE_IMAX, floor=0.05)
    torch.testing.assert_close(restored, observe(image, IDEAL_28CM, scale=FINE, padding="periodic"))
    assert restored.std() > 1.02 * blurred.std()


def test_bad_cameras_are_refused():
    with pytest.raises(ValueError, match=r"source: SDO/HMI passes nothing beyond 1\.1"):
        Camera(IDEAL_28CM, (50, 50), scale=FINE, source=HMI)
    with pytest.raises(ValueError, match=r"image: this camera is for \(\.\.\., 50, 60\)"):
        Camera(HMI, (50, 60), scale=FINE)(torch.ones(60, 50))
    with pytest.raises(ValueError, match="padding: got the mode 'wrap'"):
        Camera(HMI, (50, 60), scale=FINE, padding="wrap")
    with pytest.raises(ValueError, match="pixel: not one"):
        Camera(HMI, (5, 5), scale=FINE)
