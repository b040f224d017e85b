"""Convolution and sampling: exact where they can be, linear, and with gradients."""

import astropy.units as u
import numpy as np
import pytest
import torch
from scipy import ndimage

from sunpy_ml.optics import (
    HMI,
    IDEAL_28CM,
    Padding,
    add_noise,
    apply_transfer,
    convolve,
    grid_response,
    sample,
)
from sunpy_ml.optics.detector import sampling_matrix

STEP = 1 * u.arcsec / u.pix


def random_image(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize(("mode", "scipy_mode"), [("periodic", "wrap"), ("reflect", "reflect"), ("level", "constant")])
@pytest.mark.parametrize("size", [(5, 7), (4, 6), (1, 3)])
def test_convolution_agrees_with_scipy(mode, scipy_mode, size):
    image, kernel = random_image(19, 24), random_image(*size, seed=1)
    padding = Padding() if mode == "periodic" else Padding(mode, 8, 0.7 if mode == "level" else None)
    ours = convolve(image, kernel, padding=padding)
    # scipy's centre of an even kernel is one pixel later than that of a correlation, which is ours.
    theirs = ndimage.convolve(image.numpy(), kernel.numpy(), mode=scipy_mode, cval=0.7)
    shift = [(1 - n % 2) for n in size]
    if any(shift):
        odd = np.pad(kernel.numpy(), [(0, s) for s in shift])
        theirs = ndimage.convolve(image.numpy(), odd, mode=scipy_mode, cval=0.7)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_mirrors_reach_farther_than_the_image():
    image = random_image(5, 6)
    padding = Padding("reflect", (13, 20))
    padded = padding.pad(image)
    after = (padded.shape[0] - 18, padded.shape[1] - 26)
    np.testing.assert_array_equal(padded, np.pad(image, ((13, after[0]), (20, after[1])), mode="symmetric"))
    torch.testing.assert_close(padding.crop(padded, (5, 6)), image)


def test_the_level_is_that_of_each_image():
    images = torch.stack([torch.full((8, 8), 2.0), torch.full((8, 8), 5.0)])
    seen = apply_transfer(images, HMI.transfer(), scale=0.5 * STEP, padding=Padding("level", 20))
    torch.testing.assert_close(seen, images)
    dark = apply_transfer(images, HMI.transfer(), scale=0.5 * STEP, padding=Padding("level", 20, level=0.0))
    assert (dark < 0.9 * images).all()


@pytest.mark.parametrize("telescope", [HMI, IDEAL_28CM], ids=lambda t: t.name)
@pytest.mark.parametrize("shape", [(32, 32), (31, 40), (17, 1)])
def test_no_light_is_lost(telescope, shape):
    image = random_image(*shape) + 3
    seen = apply_transfer(image, telescope.transfer(), scale=0.3 * STEP)
    assert seen.mean() == pytest.approx(float(image.mean()), rel=1e-12)
    assert seen.std() < image.std()


def test_a_batch_is_its_images():
    images = random_image(2, 3, 20, 22)
    kernels = random_image(2, 1, 5, 5, seed=1)
    seen = apply_transfer(images, HMI.transfer(), scale=0.3 * STEP, padding=Padding("reflect", 9))
    blurred = convolve(images, kernels)
    sampled = sample(images, scale=STEP, pixel=1.7 * STEP)
    for i in range(2):
        for j in range(3):
            one = apply_transfer(images[i, j], HMI.transfer(), scale=0.3 * STEP, padding=Padding("reflect", 9))
            torch.testing.assert_close(seen[i, j], one)
            torch.testing.assert_close(blurred[i, j], convolve(images[i, j], kernels[i, 0]))
            torch.testing.assert_close(sampled[i, j], sample(images[i, j], scale=STEP, pixel=1.7 * STEP))


def test_a_shifted_image_is_shifted():
    image = random_image(24, 30)
    seen = apply_transfer(image, HMI.transfer(), scale=0.3 * STEP)
    moved = apply_transfer(torch.roll(image, (5, -3), (0, 1)), HMI.transfer(), scale=0.3 * STEP)
    torch.testing.assert_close(moved, torch.roll(seen, (5, -3), (0, 1)))


def test_pixels_need_not_be_square():
    waves = torch.cos(2 * torch.pi * torch.arange(20) / 20).double()
    gain = float(HMI.mtf(1 / (20 * 0.1) / u.arcsec))
    along_x = apply_transfer(waves.expand(8, 20), HMI.transfer(), scale=[0.7, 0.1] * STEP)
    along_y = apply_transfer(waves.expand(8, 20).T, HMI.transfer(), scale=[0.1, 0.7] * STEP)
    torch.testing.assert_close(along_x, gain * waves.expand(8, 20))
    torch.testing.assert_close(along_y, gain * waves.expand(8, 20).T)


def test_gradients_flow():
    image = random_image(1, 6, 7).requires_grad_()
    kernel = random_image(1, 3, 3, seed=2).requires_grad_()
    transfer, padding = HMI.transfer(), Padding("reflect", 3)
    assert torch.autograd.gradcheck(lambda x: apply_transfer(x, transfer, scale=0.5 * STEP, padding=padding), image)
    level = Padding("level", 4)
    assert torch.autograd.gradcheck(lambda x, k: convolve(x, k, padding=level), (image, kernel))
    assert torch.autograd.gradcheck(lambda x: sample(x, scale=STEP, pixel=1.6 * STEP, phase=(0.3, 0)), image)

    def noisy(x):
        return add_noise(x + 10, sigma=0.1, photons=5.0, generator=torch.Generator().manual_seed(1))

    gradient = torch.autograd.grad(noisy(image).sum(), image)[0]
    torch.testing.assert_close(gradient, torch.ones_like(image))


@pytest.mark.parametrize("ratio", [1.0, 2.0, 2.5, 3.7, 7.636])
@pytest.mark.parametrize("phase", [0.0, 0.25, 0.9])
@pytest.mark.parametrize("length", [200, 201])
def test_a_wave_is_sampled_where_the_pixels_are(ratio, phase, length):
    frequency = 7 / length

    def wave(places):
        return torch.cos(2 * torch.pi * frequency * places + 0.4)

    image = wave(torch.arange(length).double()).expand(length, length)
    points = sample(image, scale=STEP, pixel=ratio * STEP, phase=(0, phase), integrate=False)
    pixels = sample(image, scale=STEP, pixel=ratio * STEP, phase=(0, phase))
    assert points.shape == (int(length / ratio + 1e-6), int(length / ratio - phase + 1e-6))
    # The edge of the image is half a pixel before its first point.
    expected = wave(ratio * (torch.arange(points.shape[1]).double() + 0.5 + phase) - 0.5)
    torch.testing.assert_close(points[0], expected)
    torch.testing.assert_close(pixels[0], np.sinc(ratio * frequency) * expected)


def test_pixels_that_fill_the_image_keep_all_its_light():
    image = random_image(30, 35) + 2
    assert sample(image, scale=STEP, pixel=2.5 * STEP).mean() == pytest.approx(float(image.mean()), rel=1e-12)


def test_pixels_that_gathered_light_already_are_binned():
    matrix = sampling_matrix(30, 10, step=3.0, start=0.0, box=3.0, passed_box=1.0)
    bins = torch.eye(10).repeat_interleave(3, dim=1).double() / 3
    torch.testing.assert_close(matrix, bins, atol=1e-12, rtol=0)
    # Without that knowledge they are points, between which the image is smooth.
    assert (sampling_matrix(30, 10, step=3.0, start=0.0, box=3.0) - bins).abs().max() > 0.01


def test_noise_is_what_was_asked_for():
    generator = torch.Generator().manual_seed(3)
    level = torch.full((400, 400), 4.0)
    gauss = add_noise(level, sigma=0.5, generator=generator) - level
    assert gauss.std() == pytest.approx(0.5, rel=0.02)
    assert abs(gauss.mean()) < 0.01
    photons = add_noise(level, photons=0.5, generator=generator)
    # Two photons on average: whole numbers of them, and as often none as Poisson says.
    assert ((photons * 0.5).round() - photons * 0.5).abs().max() < 1e-5
    assert (photons == 0).float().mean() == pytest.approx(np.exp(-2), abs=0.005)
    many = add_noise(level, photons=1e9, generator=generator) - level
    assert many.std() == pytest.approx(np.sqrt(4 / 1e9), rel=0.02)
    same = [add_noise(level, sigma=1, generator=torch.Generator().manual_seed(1)) for _ in range(2)]
    torch.testing.assert_close(*same)
    torch.testing.assert_close(add_noise(level), level)


def test_responses_come_in_the_dtype_asked_for():
    response = grid_response(HMI.transfer(), (8, 10), (0.5, 0.5), dtype=torch.float64)
    assert response.shape == (8, 6)
    assert response.dtype == torch.float64
    assert apply_transfer(torch.ones(8, 8), HMI.transfer(), scale=STEP).dtype == torch.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda i: apply_transfer(i.long(), HMI.transfer(), scale=STEP), TypeError, "image: .*int64"),
        (lambda i: apply_transfer(i[0], HMI.transfer(), scale=STEP), ValueError, "image: .*shape"),
        (lambda i: apply_transfer(i, HMI.transfer(), scale=-STEP), ValueError, "scale: .* got -1"),
        (lambda i: apply_transfer(i, HMI.transfer(), scale=[1, 1, 1] * STEP), ValueError, "scale: .*one for y"),
        (lambda i: apply_transfer(i, HMI.transfer(), scale=1 * u.arcsec), u.UnitsError, "scale"),
        (lambda i: convolve(i, torch.ones(9, 3)), ValueError, "kernel: 9 x 3"),
        (lambda i: sample(i, scale=STEP, pixel=9 * STEP), ValueError, "pixel: not one lies"),
        (lambda i: sample(i, scale=STEP, pixel=STEP, phase=(1.0, 0.0)), ValueError, "phase: .* got 1.0"),
        (lambda i: add_noise(i, sigma=-1), ValueError, "sigma: .* got -1"),
        (lambda i: add_noise(i, photons=0), ValueError, "photons: .* got 0"),
        (lambda i: Padding("mirror"), ValueError, "padding: .*'mirror'"),
        (lambda i: Padding("periodic", 3), ValueError, "padding: .*margin of 0"),
        (lambda i: Padding("reflect", 3, level=1.0), ValueError, "padding: level is 1.0"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.ones(8, 8))
