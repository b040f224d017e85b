"""Cameras: a telescope's optics and pixels, ready for many images of one shape."""

import math

import astropy.units as u
import torch

from sunpy_ml.optics.convolving import Padding, check_image, filtered, steps_of
from sunpy_ml.optics.detector import sampled_length, sampling_matrix
from sunpy_ml.optics.telescope import Telescope
from sunpy_ml.optics.transfer import grid_response, ratio

__all__ = ["Camera", "observe"]

# How far the padding reaches: 3 % of HMI's light falls farther away than 10 arcsec, 0.6 % than 30.
_MARGIN = 30.0


class Camera:
    """
    A telescope that looks at images of one shape and plate scale.

    What depends on these alone is computed once, so that many batches cost two Fourier transforms each. A camera is a
    linear function, and its gradients flow.

    Parameters
    ----------
    telescope : Telescope
        To look through.
    shape : tuple of int
        Rows and columns of the images.
    scale : `~astropy.units.Quantity`
        Their plate scale, an angle per pixel; one, or one for y and one for x.
    pixel : `~astropy.units.Quantity`, optional
        Side of the camera's pixels; that of ``telescope`` by default.
    phase : tuple of float
        Where the first pixel begins, along y and x, in its own size from the edge of the image.
    integrate : bool
        Whether a pixel gathers light over its whole area, as real ones do, or at its centre alone.
    source : Telescope, optional
        One that the images were taken with already: its transfer is divided out, so that nothing is blurred twice.
    source_integrated : bool
        Whether the images' own pixels gathered light over their whole area: then that is divided out, too.
    padding : {"periodic", "reflect", "level"} or Padding
        What lies beyond the edges. A word stands for 30 arcsec of it.
    floor : float
        The source's transfer below which its frequencies are lost.
    dtype, device
        Of the images.

    Attributes
    ----------
    output_shape : tuple of int
        Rows and columns of what it gives.

    Raises
    ------
    ValueError
        If ``telescope`` resolves more than ``source``, or a value cannot be.

    Examples
    --------
    Images as an ideal telescope of 28 cm gives them, twice as finely sampled as those of HMI, as HMI would see them:

    >>> import astropy.units as u
    >>> import torch
    >>> from sunpy_ml.optics import HMI, IDEAL_28CM, Camera
    >>> camera = Camera(HMI, (64, 80), scale=IDEAL_28CM.pixel, source=IDEAL_28CM)
    >>> camera(torch.rand(5, 1, 64, 80)).shape
    torch.Size([5, 1, 32, 40])
    """

    @u.quantity_input
    def __init__(
        self,
        telescope: Telescope,
        shape: tuple[int, int],
        *,
        scale: u.Quantity[u.arcsec / u.pix],
        pixel: u.Quantity[u.arcsec / u.pix] | None = None,
        phase: tuple[float, float] = (0.0, 0.0),
        integrate: bool = True,
        source: Telescope | None = None,
        source_integrated: bool = False,
        padding: str | Padding = "reflect",
        floor: float = 0.01,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        steps = steps_of(scale)
        sides = steps_of(telescope.pixel if pixel is None else pixel)
        self.shape = shape
        self.padding = padding if isinstance(padding, Padding) else _padding(padding, steps)
        self.ratios = tuple(side / step for side, step in zip(sides, steps, strict=True))
        padded = self.padding.padded_shape(shape)
        transfer = telescope.transfer()
        if source is not None:
            _check_source(telescope, source)
            transfer = ratio(transfer, source.transfer(), floor=floor)
        self._response = grid_response(transfer, padded, steps, dtype=dtype, device=device)
        lengths, self._matrices = [], []
        for axis in (0, 1):
            step, start = self.ratios[axis], phase[axis]
            lengths.append(sampled_length(shape[axis], step, start))
            matrix = sampling_matrix(
                padded[axis],
                lengths[axis],
                step=step,
                start=self.padding.margins[axis] + start * step,
                box=step if integrate else 0.0,
                passed_box=float(source_integrated),
            )
            self._matrices.append(matrix.to(device=device, dtype=dtype))
        self.output_shape = (lengths[0], lengths[1])

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Look at images.

        Parameters
        ----------
        image : torch.Tensor
            (..., rows, columns), of the camera's shape, dtype and device.

        Returns
        -------
        torch.Tensor
            (..., rows, columns), of ``output_shape``.

        Raises
        ------
        ValueError
            If the shape is another.
        """
        if check_image(image) != tuple(self.shape):
            raise ValueError(f"image: this camera is for (..., {self.shape[0]}, {self.shape[1]}), got {image.shape}.")
        rows, columns = self._matrices
        # Rows first on the way down, so that the second product is the smaller one.
        return rows @ filtered(self.padding.pad(image), self._response) @ columns.T


@u.quantity_input
def observe(
    image: torch.Tensor, telescope: Telescope, *, scale: u.Quantity[u.arcsec / u.pix], **options: object
) -> torch.Tensor:
    """Images as a telescope sees them.

    Parameters
    ----------
    image : torch.Tensor
        (..., rows, columns), of a floating-point dtype.
    telescope : Telescope
        To look through.
    scale : `~astropy.units.Quantity`
        Plate scale of the images, an angle per pixel; one, or one for y and one for x.
    **options
        Further parameters of `Camera`. For many images of one shape, make a `Camera` once.

    Returns
    -------
    torch.Tensor
        (..., rows, columns), on the pixels of the telescope. Gradients flow.

    Raises
    ------
    ValueError
        If a value cannot be.

    Examples
    --------
    >>> import astropy.units as u
    >>> import torch
    >>> from sunpy_ml.optics import HMI, observe
    >>> observe(torch.ones(101, 101), HMI, scale=0.1 * u.arcsec / u.pix).shape
    torch.Size([20, 20])
    """
    shape = check_image(image)
    camera = Camera(telescope, shape, scale=scale, dtype=image.dtype, device=image.device, **options)
    return camera(image)


def _padding(mode: str, steps: tuple[float, float]) -> Padding:
    if mode == "periodic":
        return Padding()
    rows, columns = (math.ceil(_MARGIN / step) for step in steps)
    return Padding(mode, (rows, columns))


def _check_source(telescope: Telescope, source: Telescope) -> None:
    if telescope.cutoff > source.cutoff:
        raise ValueError(
            f"source: {source.name} passes nothing beyond {source.cutoff:.3g}, and {telescope.name} reaches "
            f"{telescope.cutoff:.3g}; leave source out, or look through a smaller telescope."
        )
