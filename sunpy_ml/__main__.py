"""``python -m sunpy_ml`` is ``sunpy-ml``."""

import sys

from sunpy_ml.cli import main

if __name__ == "__main__":
    sys.exit(main())
