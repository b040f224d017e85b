"""Velocity fields: speed, spectrum, divergence and rotation as they were asked for."""

import astropy.units as u
import numpy as np
import pytest
import torch

from sunpy_ml.simulation.motion import (
    GRANULAR,
    SOLAR_SPECTRUM,
    SUPERGRANULAR,
    FlowPart,
    diverging_velocity,
    granulation,
    random_velocity,
)
from sunpy_ml.simulation.motion.vortices import swirl

KM_S = u.km / u.s


def draw(shape=(128, 128), pixel=70 * u.km, **arguments):
    return random_velocity(shape, pixel=pixel, **arguments)


def rms(velocity):
    return velocity.square().sum(dim=1).mean(dim=(1, 2)).sqrt()


def parts_of_energy(velocity, pixel):
    """Wavenumbers in rad/Mm, and the energy of periodic fields in divergence and in rotation, mode by mode."""
    spectrum = torch.fft.fft2(velocity.double()) / velocity.shape[-1] / velocity.shape[-2]
    across = 2 * np.pi * torch.fft.fftfreq(velocity.shape[-1], pixel).double()
    up = 2 * np.pi * torch.fft.fftfreq(velocity.shape[-2], pixel).double()[:, None]
    number = torch.hypot(across, up)
    safe = torch.where(number > 0, number, 1)
    along = (spectrum[:, 0] * across + spectrum[:, 1] * up).abs() / safe
    turning = (spectrum[:, 1] * across - spectrum[:, 0] * up).abs() / safe
    return number, along.square(), turning.square()


@pytest.mark.parametrize("speed", [0.5, 1.4, 2.5])
@pytest.mark.parametrize("periodic", [True, False])
def test_rms_is_as_asked(speed, periodic):
    for vortices in (0, 0.05):
        velocity = draw(rms=speed * KM_S, vortices=vortices / u.Mm**2, periodic=periodic, count=3)
        torch.testing.assert_close(rms(velocity), torch.full((3,), speed), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("scale", "pixel"), [(1.4, 0.07), (7.0, 0.3), (30.0, 1.0)])
def test_energy_peaks_at_the_scale_and_falls_as_asked(scale, pixel):
    part = FlowPart(scale * u.Mm, share=1.0, rise=2.0, fall=10 / 3)
    fields = draw((256, 256), pixel * u.Mm, parts=[part], vortices=0 / u.Mm**2, periodic=True, count=8, seed=4)
    number, along, turning = parts_of_energy(fields, pixel)
    energy = (along + turning).mean(dim=0)
    ratio = number * scale / (2 * np.pi)
    edges = np.geomspace(0.35, 4.5, 9)
    rings = torch.bucketize(ratio, torch.tensor(edges))
    total = np.array([float(energy[rings == ring].sum()) for ring in range(1, len(edges))])
    # Integrals of the spectrum between the edges, to compare with.
    fine = np.geomspace(edges[0], edges[-1], 801)
    shape = fine**2 / (2 * fine ** (2 + 10 / 3) + 10 / 3)
    integral = np.concatenate([[0], np.cumsum(0.5 * (shape[1:] + shape[:-1]) * np.diff(fine))])
    expected = np.diff(np.interp(edges, fine, integral))
    assert total / total.sum() == pytest.approx(expected / expected.sum(), rel=0.25, abs=0.01)
    centers = np.sqrt(edges[1:] * edges[:-1])
    assert centers[np.argmax(total / np.diff(edges))] == pytest.approx(1, rel=0.35)


@pytest.mark.parametrize("rotation", [0.0, 0.3, 1.0])
def test_divergence_and_rotation_share_the_energy(rotation):
    fields = draw(rotation=rotation, vortices=0 / u.Mm**2, periodic=True, count=6)
    _, along, turning = parts_of_energy(fields, 0.07)
    assert float(turning.sum() / (along + turning).sum()) == pytest.approx(rotation, abs=0.03)


def test_larger_parts_are_streams_in_a_small_field():
    small = {"shape": (64, 64), "pixel": 70 * u.km, "parts": [SUPERGRANULAR], "vortices": 0 / u.Mm**2}
    velocity = draw(**small, count=40, seed=1)
    mean = velocity.mean(dim=(2, 3))
    # A field of 4.5 Mm is within one supergranule: it drifts, either way.
    assert float(mean.square().sum(dim=1).mean()) > 0.5 * 1.4**2
    assert float(mean.mean(dim=0).norm()) < 0.6
    # What is longer than a periodic field does not fit; what does has no mean.
    assert draw(periodic=True).mean(dim=(2, 3)).abs().max() < 1e-5


def test_periodic_fields_meet_at_their_edges():
    def jump(velocity):
        inside = (velocity[..., 1:] - velocity[..., :-1]).square().mean()
        return float((velocity[..., 0] - velocity[..., -1]).square().mean() / inside)

    assert jump(draw(periodic=True, count=4)) < 2
    assert jump(draw(periodic=False, count=4)) > 10


def test_a_vortex_turns_fastest_at_its_radius():
    distance = torch.linspace(0, 3, 30001, dtype=torch.float64)
    speed = distance * swirl(distance, 0.4)
    assert float(speed.max()) == pytest.approx(1, abs=1e-3)
    assert float(distance[speed.argmax()]) == pytest.approx(0.4, abs=2e-3)
    # Lamb and Oseen: as a rigid body in the middle, as 1/r outside, as long as nothing shields it.
    assert float(speed[10] / distance[10]) == pytest.approx((1 + 0.5 / 1.25643) * 1.25643 / 0.4, rel=1e-3)
    assert float(speed[8000]) == pytest.approx((1 + 0.5 / 1.25643) / 2, rel=0.03)


def test_vortices_add_rotation_only():
    slow = {"rms": 0.2 * KM_S, "rotation": 0.0, "periodic": True, "count": 8, "pixel": 40 * u.km, "shape": (160, 160)}
    _, along, turning = parts_of_energy(draw(**slow, vortices=0 / u.Mm**2), 0.04)
    assert float(turning.sum()) < 1e-6 * float(along.sum())
    velocity = draw(**slow, vortices=0.1 / u.Mm**2)
    _, along, turning = parts_of_energy(velocity, 0.04)
    # Not more than half of the energy, however slow the rest is.
    assert float(turning.sum() / (along + turning).sum()) == pytest.approx(0.5, abs=0.02)


def test_number_and_sense_of_vortices():
    fields = draw((128, 128), 50 * u.km, parts=[SUPERGRANULAR], rms=3 * KM_S, vortices=0.1 / u.Mm**2, count=20)
    bare = draw((128, 128), 50 * u.km, parts=[SUPERGRANULAR], rms=3 * KM_S, vortices=0 / u.Mm**2, count=20)
    across, up = torch.gradient(fields, spacing=0.05, dim=(-1, -2))
    turning = (across[:, 1] - up[:, 0]).flatten(1)
    quiet = torch.gradient(bare, spacing=0.05, dim=(-1, -2))
    assert turning.abs().max() > 5 * (quiet[0][:, 1] - quiet[1][:, 0]).abs().max()
    # Both senses: of some four in each field, the strongest are as often of either.
    assert 0.3 < float((turning.amax(dim=1) > -turning.amin(dim=1)).double().mean()) < 0.7


@pytest.mark.parametrize("periodic", [True, False])
def test_suggested_flow_diverges_where_it_is_bright(periodic):
    images = granulation((160, 160), pixel=70 * u.km, periodic=periodic, count=2, seed=6)
    velocity = diverging_velocity(images, pixel=70 * u.km, rms=1.4 * KM_S, periodic=periodic)
    torch.testing.assert_close(rms(velocity), torch.full((2,), 1.4), rtol=1e-4, atol=0)
    divergence = sum(torch.gradient(velocity[:, axis], dim=dim)[0] for axis, dim in ((0, -1), (1, -2)))
    inner = (..., slice(4, -4), slice(4, -4))
    for image, spread in zip(images[inner], divergence[inner], strict=True):
        assert np.corrcoef(image.flatten(), spread.flatten())[0, 1] > 0.8
    if periodic:
        _, along, turning = parts_of_energy(velocity, 0.07)
        assert float(turning.sum()) < 1e-8 * float(along.sum())


def test_suggested_flow_ignores_the_unit_and_what_is_flat():
    image = granulation((64, 64), pixel=70 * u.km)
    first = diverging_velocity(image, pixel=70 * u.km, rms=1 * KM_S)
    torch.testing.assert_close(
        diverging_velocity(1e4 * image, pixel=70 * u.km, rms=1 * KM_S), first, rtol=1e-3, atol=1e-3
    )
    assert not diverging_velocity(torch.full((1, 32, 32), 7.0), pixel=70 * u.km, rms=1 * KM_S).any()


def test_seeds_decide_and_a_batch_does_not():
    many = draw((48, 64), count=4, seed=9)
    assert torch.equal(many[:2], draw((48, 64), count=2, seed=9))
    assert not torch.equal(many, draw((48, 64), count=4, seed=10))
    generator = torch.Generator().manual_seed(9)
    assert torch.equal(many, draw((48, 64), count=4, seed=generator))
    assert not torch.equal(many, draw((48, 64), count=4, seed=generator))


def test_each_sample_may_have_its_own_pixel_and_speed():
    velocity = draw(pixel=[40, 120] * u.km, rms=[1, 2] * KM_S, count=2, periodic=True, vortices=0 / u.Mm**2)
    torch.testing.assert_close(rms(velocity), torch.tensor([1.0, 2.0]), rtol=1e-4, atol=0)
    alone = draw(pixel=40 * u.km, rms=1 * KM_S, count=1, periodic=True, vortices=0 / u.Mm**2)
    torch.testing.assert_close(velocity[:1], alone, rtol=0, atol=1e-5)


def test_global_state_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    draw((32, 32))
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (64,)}, r"shape is \(64,\)"),
        ({"shape": (4, 64)}, "at least 8"),
        ({"count": 0}, "count is 0"),
        ({"rotation": 1.2}, "rotation is 1.2"),
        ({"parts": []}, "parts is empty"),
        ({"pixel": -1 * u.km}, "pixel is -0.001"),
        ({"pixel": [1, 2] * u.km}, r"pixel has the shape \(2,\)"),
        ({"rms": np.nan * KM_S}, "rms is nan"),
        ({"vortices": -1 / u.Mm**2}, "vortices is -1"),
        ({"parts": [GRANULAR], "pixel": 50 * u.Mm}, "nothing is left"),
    ],
)
def test_bad_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw(**arguments)


def test_bad_units_types_and_parts():
    with pytest.raises(u.UnitsError, match="pixel"):
        draw(pixel=1 * u.s)
    with pytest.raises(TypeError, match="seed is 'a'"):
        draw(seed="a")
    with pytest.raises(ValueError, match="share, rise and fall"):
        FlowPart(1 * u.Mm, share=-1)
    with pytest.raises(ValueError, match="scale is"):
        FlowPart(0 * u.Mm, share=1)
    with pytest.raises(ValueError, match="images has the shape"):
        diverging_velocity(torch.ones(8, 8), pixel=1 * u.km, rms=1 * KM_S)
    assert sum(part.share for part in SOLAR_SPECTRUM) == pytest.approx(1)
