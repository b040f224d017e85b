"""Observations: the only place where a Map or NDCube meets an array, on the way in and on the way back."""

from sunpy_ml.observations.axes import CubeAxes, cube_axes
from sunpy_ml.observations.cutting import cut_out
from sunpy_ml.observations.disk import beyond_limb, limb_distance
from sunpy_ml.observations.facts import observation_facts, observed_wavelength, plate_scale
from sunpy_ml.observations.headers import celestial_wcs, observation_time, quiet_headers, self_contained, told
from sunpy_ml.observations.normalisation import Normalisation, Normaliser, quiet_sun_level
from sunpy_ml.observations.orientation import Turn, turned_wcs
from sunpy_ml.observations.preparing import Prepared, prepare
from sunpy_ml.observations.reading import as_map, iterate_observations, source_name
from sunpy_ml.observations.resampling import fill_invalid
from sunpy_ml.observations.rotation import carried_by_rotation
from sunpy_ml.observations.sequences import ImageSequence, image_sequence
from sunpy_ml.observations.wrapping import new_map, weights_history, wrap
from sunpy_ml.observations.writing import FITS_ENDINGS, write_map

__all__ = [
    "FITS_ENDINGS",
    "CubeAxes",
    "ImageSequence",
    "Normalisation",
    "Normaliser",
    "Prepared",
    "Turn",
    "as_map",
    "beyond_limb",
    "carried_by_rotation",
    "celestial_wcs",
    "cube_axes",
    "cut_out",
    "fill_invalid",
    "image_sequence",
    "iterate_observations",
    "limb_distance",
    "new_map",
    "observation_facts",
    "observation_time",
    "observed_wavelength",
    "plate_scale",
    "prepare",
    "quiet_headers",
    "quiet_sun_level",
    "self_contained",
    "source_name",
    "told",
    "turned_wcs",
    "weights_history",
    "wrap",
    "write_map",
]
