"""Temperature: one number that makes a classifier as sure as it is right."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

__all__ = ["fit_temperature"]

#: No network is over- or underconfident by more than this.
_LIMIT = 20.0


def fit_temperature(logits: npt.NDArray[Any], truth: npt.NDArray[Any]) -> float:
    """The temperature by which logits must be divided to be most likely, on data that were not trained on.

    The order of the classes stays as it is, and so does the accuracy.

    Parameters
    ----------
    logits : numpy.ndarray
        (N, classes), before the softmax.
    truth : numpy.ndarray
        (N,), index of the true class.

    Returns
    -------
    float
        Above 1 for a network that is too sure of itself; between 0.05 and 20.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or there is no case.

    References
    ----------
    Guo et al. 2017, On Calibration of Modern Neural Networks, https://doi.org/10.48550/arXiv.1706.04599

    Examples
    --------
    Right three times in four, but with a probability of 0.98:

    >>> import numpy as np
    >>> from sunpy_ml.training import fit_temperature
    >>> temperature = fit_temperature(np.tile([4.0, 0.0], (4, 1)), np.array([0, 0, 0, 1]))
    >>> print(f"{4 / temperature:.3f}, {np.log(3):.3f}")
    1.099, 1.099
    """
    logits, truth = np.asarray(logits, dtype=np.float64), np.asarray(truth)
    if logits.ndim != 2 or truth.shape != logits.shape[:1] or not len(truth):
        raise ValueError(
            "logits: expected (N, classes) for N true classes and at least one case, got the shape "
            f"{logits.shape} for {truth.shape}."
        )

    def surprise(log_temperature: float) -> float:
        likelihoods = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(likelihoods[np.arange(len(truth)), truth].mean())

    limit = np.log(_LIMIT)
    return float(np.exp(minimize_scalar(surprise, bounds=(-limit, limit), method="bounded").x))
