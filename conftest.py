"""Settings for all the tests, those in the docstrings and the documentation included."""

import os

from hypothesis import settings

# Before matplotlib is imported: no test opens a window, whatever the desktop.
os.environ["MPLBACKEND"] = "agg"

# A slow machine is no failure: nothing here is a test of speed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
