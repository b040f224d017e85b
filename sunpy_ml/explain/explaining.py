"""Which pixels made the network say so? The verb `explain_map`."""

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from reproject import reproject_interp
from sunpy.map import GenericMap

from sunpy_ml.explain.asking import Question, ask
from sunpy_ml.explain.methods import METHODS, attribute, checked_options
from sunpy_ml.explain.plot import relevance_settings
from sunpy_ml.observations import new_map, quiet_headers, self_contained, weights_history
from sunpy_ml.observations.resampling import resample
from sunpy_ml.weights import Card

__all__ = ["explain_map"]

Array = npt.NDArray[Any]


def explain_map(
    m: Any,
    method: str = "gradcam",
    *,
    target: str | None = None,
    weights: Any = None,
    card: Card | None = None,
    device: Any = None,
    strict: bool = False,
    layer: str | None = None,
    window: int | None = None,
    steps: int | None = None,
    baseline: float | None = None,
) -> GenericMap:
    """Tell which pixels of an image speak for a class, as a Map on the image's own grid.

    Parameters
    ----------
    m : sunpy.map.GenericMap, ndcube.NDCube, str or pathlib.Path
        An image (y, x) of any real dtype, as a Map, a celestial NDCube or the path of a FITS file. It is not
        changed.
    method : str
        ``"gradcam"``
            Where the last features of the network speak for the target: coarse, not negative [1]_.
        ``"guided_backprop"``
            Gradient of the target's score, of which only positive parts pass each rectifier: sharp, signed, but
            more a drawing of edges than an explanation [2]_ [3]_.
        ``"guided_gradcam"``
            The product of these two, signed [1]_.
        ``"occlusion"``
            How much the score falls when a window is covered by a flat field: signed; no gradient is used, and
            what it says is what was measured [4]_.
        ``"saliency"``
            Size of the gradient of the score, not negative [5]_.
        ``"integrated_gradients"``
            Share of each pixel in the difference between the score of the image and that of a flat field: signed [6]_.
    target : str, optional
        A class such as ``"sunspots"``; or a feature by itself, whatever else is there, as ``"has_sunspots"``: the
        column of that name in the table of `~sunpy_ml.classify_maps`. By default the class that
        `~sunpy_ml.classify_map` gives.
    weights : str, pathlib.Path or torch.nn.Module, optional
        Of any classifier: a name from `sunpy_ml.weights.list_weights`, the path of a file written by
        `sunpy_ml.weights.save_weights`, or a network, with its ``card``. By default those of
        `~sunpy_ml.classify_map`.
    card : sunpy_ml.weights.Card, optional
        Of a network that is given as a module.
    device : str or torch.device, optional
        By default the first there is of cuda, mps and cpu.
    strict : bool
        Raise instead of warn where the observation is not known to lie inside the network's domain.
    layer : str, optional
        For the two methods of Grad-CAM: the module, by its name in the network, whose maps are looked at. By default
        the outermost that holds the last convolution and still gives maps of that size.
    window : int, optional
        For occlusion: side of the window in pixels of the network's grid, an eighth of the shorter side by default.
        It moves by half its side.
    steps : int, optional
        For integrated gradients: points of the integral, 32 by default.
    baseline : float, optional
        For occlusion and integrated gradients: the flat field, in the network's normalised numbers. By default the
        median of the image, since a dark field looks like a spot.

    Returns
    -------
    sunpy.map.GenericMap
        float32, with the shape, WCS, date and instrument of the observation, dimensionless, masked where the
        observation is masked or not finite. HISTORY tells method, target and weights, and so do the keywords
        RELMETH, RELTARG and RELWGHT.

    Raises
    ------
    sunpy_ml.exceptions.ObservationError
        If ``m`` cannot be read, is not an image, or has no valid pixel or no contrast.
    sunpy_ml.exceptions.WeightsError
        If there are no such weights, or they are no classifier's.
    sunpy_ml.exceptions.DomainError
        With ``strict``, if the observation is not known to be of the kind that the network was trained on.
    ValueError
        If there is no such method, target, layer or device, an option is not one of the method's, or, for the guided
        methods, if a rectifier of the network is not a module.

    Warns
    -----
    sunpy_ml.exceptions.DomainWarning
        If the observation is not known to be of the kind that the network was trained on.

    See Also
    --------
    plot_relevance : draws the result over the image.
    randomisation_check : whether relevance depends on what the network learned.

    Notes
    -----
    What is explained is the target's score before the softmax (the logit), so that relevance does not vanish where
    the network is sure. Values belong to pixels of the network's grid: where that is resampled to the grid of the
    observation, by area or by cubic spline as images are, means are kept and sums are not. The integrated gradients
    thus add up to a difference of scores once their mean is multiplied by the number of pixels that the network reads.

    Grad-CAM's cells are put where their receptive fields are centred, and drawn bilinearly between.

    Where the card says that the answer is the mean of those to the eight turns and reflections of the image, each of
    these is explained by itself, its relevance is turned back, and the result is the mean, for eight times the work.
    For guided backpropagation, saliency (whose size is taken last) and integrated gradients this is exactly the
    attribution of the mean score. So it is for occlusion where steps of half a window end at the edge of the image, as
    by default; elsewhere windows are counted from every corner in turn. For Grad-CAM and its product with guided
    backpropagation it is the mean of the eight maps, of which each has lost its own negative part.

    References
    ----------
    .. [1] Selvaraju et al. 2017, ICCV, https://doi.org/10.1109/ICCV.2017.74
    .. [2] Springenberg et al. 2014, https://arxiv.org/abs/1412.6806
    .. [3] Adebayo et al. 2018, NeurIPS, https://arxiv.org/abs/1810.03292
    .. [4] Zeiler & Fergus 2014, ECCV, https://doi.org/10.1007/978-3-319-10590-1_53
    .. [5] Simonyan et al. 2013, https://arxiv.org/abs/1312.6034
    .. [6] Sundararajan et al. 2017, ICML, https://arxiv.org/abs/1703.01365

    Examples
    --------
    >>> from sunpy_ml.explain import explain_map
    >>> from sunpy_ml.simulation import halpha_scene
    >>> m = halpha_scene("sunspots", shape=(200, 300), seed=1)
    >>> relevance = explain_map(m, "gradcam", target="sunspots")
    >>> relevance.dimensions
    PixelPair(x=<Quantity 300. pix>, y=<Quantity 200. pix>)
    >>> relevance.meta["reltarg"], bool(relevance.data.min() >= 0)
    ('sunspots', True)
    """
    options = checked_options(method, layer=layer, window=window, steps=steps, baseline=baseline)
    question = ask(m, target, weights, card, device)
    question.report.enforce(question.card.name, strict)
    averaged = question.card.input.average_turns
    relevance = attribute(question.network, question.image, question.index, method, options, average_turns=averaged)
    return _as_map(_on_observation(relevance, question), question, method)


def _on_observation(relevance: Array, question: Question) -> Array:
    """From the network's grid to that of the observation."""
    prepared, given = question.prepared, question.given
    shape = prepared.turn.apply(prepared.base.data).shape
    # A spline swings beyond the values it goes through, and relevance that is never negative must stay so.
    fine = resample(relevance, shape).clip(relevance.min(), relevance.max()) if shape != relevance.shape else relevance
    turned = prepared.turn.undo(fine)
    if prepared.base is not given:
        # A tilt was interpolated away, and the observation's own grid is the tilted one.
        with quiet_headers():
            grids = self_contained(prepared.base).wcs, self_contained(given).wcs
            turned, _ = reproject_interp((turned, grids[0]), grids[1], given.data.shape, order="bilinear")
    return np.nan_to_num(turned).astype(np.float32)


def _as_map(relevance: Array, question: Question, method: str) -> GenericMap:
    given, card = question.given, question.card
    data = np.asarray(given.data)
    invalid = ~np.isfinite(data) if given.mask is None else ~np.isfinite(data) | np.asarray(given.mask, dtype=bool)
    history = [*weights_history(card), f"sunpy_ml: relevance for {question.target} by {method}"]
    mask = invalid if invalid.any() else None
    result = new_map(given, relevance, mask=mask, unit=u.dimensionless_unscaled, history=history)
    result.meta |= {"relmeth": method, "reltarg": question.target, "relwght": card.name}
    result.plot_settings |= relevance_settings(relevance, signed=METHODS[method].signed)
    return result
