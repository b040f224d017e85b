"""Configuration of Sphinx."""

import sys
from pathlib import Path

from sphinx_astropy.conf.v3 import *

from sunpy_ml.version import version

project = "sunpy_ml"
author = "The sunpy_ml developers"
copyright = f"2026, {author}"
release = version

html_theme = "sunpy"

# The docstrings say it, in words that link.
autodoc_typehints = "none"
# By the names that the code gives them.
autodoc_preserve_defaults = True

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
extensions += ["benchmarks", "gallery_figure", "model_cards", "validation", "sphinx_gallery.gen_gallery"]

for unused in ("astropy.org", "pythonloc"):
    intersphinx_mapping.pop(unused, None)
intersphinx_mapping.update(
    {
        "dask": ("https://docs.dask.org/en/stable/", None),
        "distributed": ("https://distributed.dask.org/en/stable/", None),
        "ndcube": ("https://docs.sunpy.org/projects/ndcube/en/stable/", None),
        "reproject": ("https://reproject.readthedocs.io/en/stable/", None),
        "sunpy": ("https://docs.sunpy.org/en/stable/", None),
        "torch": ("https://docs.pytorch.org/docs/stable/", None),
    }
)

# Their inventories list these under the names they are imported by, not the ones they have as base classes.
nitpick_ignore = [
    ("py:class", "lightning.pytorch.core.module.LightningModule"),
    ("py:class", "torch.nn.modules.module.Module"),
]

github_issues_url = "https://github.com/sunpy/sunpy_ml/issues/"

sphinx_gallery_conf = {
    "abort_on_example_error": True,
    "backreferences_dir": "generated/modules",
    "doc_module": ("sunpy_ml",),
    "examples_dirs": "../examples",
    # Every example is executed, whatever its name.
    "filename_pattern": r"\.py$",
    "gallery_dirs": "generated/gallery",
    "matplotlib_animations": False,
    "only_warn_on_example_error": False,
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
}
