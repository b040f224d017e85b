"""
When did the flux emerge?
=========================

From full-disk magnetograms to a patch that is followed for two weeks, and to the time at which a region emerges in it.
The magnetograms are simulated, so that this page needs no download and the truth is known; a list of Maps of your own,
or a folder of FITS files, goes in the same way. The weights have seen simulated patches only.
"""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from astropy.coordinates import SkyCoord
from sunpy.coordinates import HeliographicStonyhurst, get_earth
from sunpy.map import Map, make_fitswcs_header

from sunpy_ml import detect_emergence
from sunpy_ml.emergence import patch_cube
from sunpy_ml.simulation.emergence import emergence_patch

truth = emergence_patch("emerging", scale=0.2 * u.deg / u.pix, frames=156, cadence=2 * u.h, seed=2036)
longitudes, latitude = truth.meta["longitudes"], truth.meta["latitude"]
times = truth.axis_world_coords(0)[0]

###############################################################################
# The patch is put on full disks, a Map for each time, with noise where the patch is not.


def full_disk(field, longitude, time):
    observer = get_earth(time)
    middle = SkyCoord(0 * u.arcsec, 0 * u.arcsec, frame="helioprojective", observer=observer, obstime=time)
    header = make_fitswcs_header((512, 512), middle, scale=[3.9, 3.9] * u.arcsec / u.pix, unit=u.G, instrument="MDI")
    disk = Map(np.random.default_rng(0).normal(0, 16, (512, 512)), header)
    place = SkyCoord(longitude, latitude, frame=HeliographicStonyhurst, obstime=time)
    patch_header = make_fitswcs_header(
        field.shape, place, scale=[0.2, 0.2] * u.deg / u.pix, unit=u.G, projection_code="CEA"
    )
    patch_header |= {key: header[key] for key in ("hgln_obs", "hglt_obs", "dsun_obs")}
    # Only what is around the patch need be computed.
    column, row = (int(np.clip(pixel - 64, 0, 384)) for pixel in disk.wcs.world_to_pixel(place))
    around = disk.submap([column, row] * u.pix, width=127 * u.pix, height=127 * u.pix)
    seen = Map(field, patch_header).reproject_to(around.wcs).data
    data = disk.data.copy()
    data[row : row + 128, column : column + 128] = np.where(np.isfinite(seen), seen, around.data)
    return Map(data, header)


maps = [full_disk(*each) for each in zip(truth.data, longitudes, times, strict=True) if np.isfinite(each[0]).any()]
print(len(maps), "magnetograms from", maps[0].date.iso[:16], "to", maps[-1].date.iso[:16])

middle = maps[len(maps) // 2]
middle.plot(cmap="gray", norm=plt.Normalize(-300, 300))
plt.colorbar(label="field along the line of sight [G]")
plt.show()

###############################################################################
# A place is named by a coordinate and the time at which it holds. The patch follows it by the law of rotation.

number = len(times) // 2
centre = SkyCoord(longitudes[number], latitude, frame=HeliographicStonyhurst, obstime=times[number])
rotation = [14.42, -2.00, -2.09] * u.deg / u.day
cube = patch_cube(maps, centre, scale=0.2 * u.deg / u.pix, rotation=rotation)
cube

###############################################################################
# Does a region emerge there, when, and how sure is that?

found = detect_emergence(cube)
found.plot()
plt.show()

print("emerged:", found.emerged, "with the probability", round(found.probability, 3), "+-", round(found.spread, 3))
print("found:", found.time, "true:", truth.meta["t10"])
found.table()["probability", "spread", "emerged", "time", "earliest", "latest", "in_domain"]

###############################################################################
# Which pixels does that depend on? Where it is orange, a little more field would change the answer most.

found.plot(saliency="saliency")
plt.show()
