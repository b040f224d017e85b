"""Frames that forget each other: what changes between two images, besides motion."""

import torch
from torch import Tensor

from sunpy_ml.simulation.motion.checking import checked_images
from sunpy_ml.simulation.motion.sampling import extend, frequencies
from sunpy_ml.simulation.motion.streams import Streams, normal, spawn, start

__all__ = ["correlation_after", "evolve", "evolved"]

# Small structures live shorter: change goes with the turnover rate of turbulent eddies, k^(2/3). Modelling choice.
_TILT = 2 / 3
# The cadence that correlations are quoted at, in seconds.
_REFERENCE = 30.0


def correlation_after(correlation: Tensor, cadence: Tensor) -> Tensor:
    """Return the correlation of two frames ``cadence`` seconds apart, from that of frames 30 s apart."""
    # The change is without memory.
    return correlation ** (cadence / _REFERENCE)


def evolve(
    images: Tensor,
    correlation: Tensor | float,
    *,
    count: int = 2,
    periodic: bool = False,
    seed: int | torch.Generator = 0,
) -> Tensor:
    """
    Make frames of images that change at random, without motion.

    An image is in the middle of the time of its frames. From there, forwards and backwards, each frame is made of the
    last one and of a random texture with the image's own power spectrum, raised by k^(2/3): fine structure changes
    first. All frames have the mean and the contrast of the image, and the same statistics in either direction of time.

    Parameters
    ----------
    images : torch.Tensor
        (N, H, W).
    correlation : torch.Tensor or float
        Of successive frames: 0 to 1, one or (N,). That of frames that are n steps apart is its n-th power. It holds
        for each sequence, not only in the mean.
    count : int
        Number of frames, at least 2. If it is odd, the one in the middle is the image.
    periodic : bool
        Whether the images go on at the other edge.
    seed : int or torch.Generator
        The same seed gives the same frames; a frame does not depend on how many samples follow it, nor on the device.

    Returns
    -------
    torch.Tensor
        (N, count, H, W).

    Raises
    ------
    ValueError
        If a shape or a number cannot be.

    Notes
    -----
    The texture has random phases: it has no lanes, and no granule splits. The correlation at a longer cadence follows
    from that at a shorter one as that of a process without memory: c(t) = c(30 s)^(t / 30 s).

    Examples
    --------
    >>> import astropy.units as u
    >>> import torch
    >>> from sunpy_ml.simulation.motion import evolve, granulation
    >>> images = granulation((64, 64), pixel=80 * u.km)
    >>> first, second = evolve(images, 0.97)[0].flatten(1)
    >>> torch.corrcoef(torch.stack([first, second]))[0, 1]
    tensor(0.9700)
    """
    checked_images(images)
    if count < 2:
        raise ValueError(f"count is {count}: give at least 2")
    kept = torch.as_tensor(correlation, dtype=images.dtype, device=images.device)
    if kept.shape not in ((), images.shape[:1]) or not ((kept >= 0) & (kept <= 1)).all():
        raise ValueError(f"correlation is {correlation}: give one number from 0 to 1, or one for each image")
    return evolved(start(seed, len(images)), images, kept.expand(len(images)), count=count, periodic=periodic)


def evolved(streams: Streams, images: Tensor, correlation: Tensor, *, count: int, periodic: bool) -> Tensor:
    """Make the frames of `evolve`, (N, count, H, W), with a stream for each sample and (N,) correlations."""
    mean = images.mean(dim=(1, 2), keepdim=True)
    seen = images - mean
    textures = _textures(streams, seen, count - count % 2, periodic=periodic)
    kept = correlation[:, None, None]
    frames: list[Tensor] = [seen] * count
    for direction, first in ((1, count // 2), (-1, (count - 1) // 2)):
        last = seen
        # Of an even number of frames, the first on each side are half a step from the image; of an odd one, the image
        # is a frame, and they are a step from it.
        where, step = (first, 0.5) if count % 2 == 0 else (first + direction, 1.0)
        while 0 <= where < count:
            part = kept**step
            last = part * last + torch.sqrt(1 - part**2) * textures.pop()
            frames[where] = last
            where, step = where + direction, 1.0
    return mean[:, None] + torch.stack(frames, dim=1)


def _textures(streams: Streams, seen: Tensor, count: int, *, periodic: bool) -> list[Tensor]:
    """Return textures of the variance of what is seen, that correlate neither with it nor with each other."""
    period = extend(seen, periodic=periodic)
    along, up = frequencies(period)
    strength = torch.fft.rfft2(period).abs() * (along**2 + up**2) ** (_TILT / 4)
    known = [seen]
    energy = seen.square().mean(dim=(1, 2), keepdim=True)
    for stream in spawn(streams, count):
        white = torch.fft.rfft2(normal(stream, tuple(period.shape[-2:]), period))
        texture = torch.fft.irfft2(torch.polar(strength, white.angle()), s=period.shape[-2:])
        texture = texture[..., : seen.shape[-2], : seen.shape[-1]]
        texture = texture - texture.mean(dim=(1, 2), keepdim=True)
        for other in known:
            common = (texture * other).mean(dim=(1, 2), keepdim=True)
            texture = texture - other * torch.where(energy > 0, common / torch.where(energy > 0, energy, 1), 0)
        own = texture.square().mean(dim=(1, 2), keepdim=True)
        known.append(texture * torch.where(own > 0, energy / torch.where(own > 0, own, 1), 0).sqrt())
    return known[1:]
