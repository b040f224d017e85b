"""Settings for all the tests, those in the docstrings and the documentation included."""

import os

# Before matplotlib is imported: no test opens a window, whatever the desktop.
os.environ["MPLBACKEND"] = "agg"
