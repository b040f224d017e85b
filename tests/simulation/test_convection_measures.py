"""Figures of granulation: planted sizes, lives and flows are found."""

import math

import numpy as np
import pytest

from sunpy_ml.simulation.convection import measures

PIXEL = 0.1


def pattern(rng, size, pixels=96, count=1):
    """Isotropic random images whose spectrum k P(k) peaks at the wavelength ``size`` (Mm)."""
    frequency = np.hypot(np.fft.fftfreq(pixels, PIXEL)[:, None], np.fft.fftfreq(pixels, PIXEL)[None])
    # The power in a ring is k times this.
    shape = np.exp(-0.5 * ((size * frequency - 1) / 0.15) ** 2) / np.sqrt(np.maximum(frequency, 1e-9))
    shape[0, 0] = 0
    noise = rng.standard_normal((count, pixels, pixels))
    images = np.fft.ifft2(np.fft.fft2(noise) * shape).real
    return images / images.std()


@pytest.mark.parametrize("size", [0.8, 1.4, 2.2])
def test_size_of_granules(size):
    images = 10 + pattern(np.random.default_rng(0), size, count=12)
    assert measures.dominant_size(images, PIXEL) == pytest.approx(size, rel=0.08)


def test_power_adds_up_to_the_variance():
    images = pattern(np.random.default_rng(1), 1.5)
    wavenumber, power = measures.power_per_wavenumber(images, PIXEL)
    assert power.sum() == pytest.approx(images.var(), rel=0.05)
    assert wavenumber[0] == pytest.approx(1 / 9.6)


def test_life_of_granules():
    rng = np.random.default_rng(2)
    kept = math.exp(-20 / 300)
    fresh = pattern(rng, 1.0, count=80)
    frames = [fresh[0]]
    for image in fresh[1:]:
        frames.append(kept * frames[-1] + math.sqrt(1 - kept**2) * image)
    life = measures.correlation_time(np.array(frames), 20.0)
    assert life == pytest.approx(300, rel=0.25)
    # An oscillation of the whole box, ten times as strong, changes nothing.
    seconds = 20 * np.arange(80)[:, None, None]
    wave = np.cos(2 * np.pi * (np.arange(96) / 96 - seconds / 300))
    shaken = np.array(frames) + 10 * np.cos(2 * np.pi * seconds / 300) + 10 * wave
    assert measures.correlation_time(shaken, 20.0) == pytest.approx(life, rel=1e-6)


def test_what_never_changes_lives_for_ever():
    frames = np.repeat(pattern(np.random.default_rng(3), 1.0), 10, axis=0)
    assert measures.correlation_time(frames, 20.0) == float("inf")


def test_shares_of_a_planted_flow():
    phase = 2 * np.pi * np.arange(48) / 48
    vx = 1.0 + 2 * np.cos(phase)[:, None] + 3 * np.cos(5 * phase)[None] + np.zeros((2, 48, 48))
    vy = np.sin(phase)[None] * np.ones((2, 48, 48))
    total = 1 + 2 + 4.5 + 0.5
    assert measures.rms_speed(vx, vy) == pytest.approx(math.sqrt(total))
    assert measures.share_of_mean(vx, vy) == pytest.approx(1 / total)
    assert measures.share_of_largest(vx, vy) == pytest.approx(2.5 / total)


def test_contrast_and_correlation():
    image = 5 + pattern(np.random.default_rng(4), 1.0)[0]
    assert measures.contrast(image) == pytest.approx(0.2, rel=1e-3)
    assert measures.upflow_correlation(image, 3 * image - 2) == pytest.approx(1)
    assert measures.upflow_correlation(image, -image) == pytest.approx(-1)
