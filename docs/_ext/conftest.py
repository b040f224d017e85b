"""The extensions are for Sphinx, which the tests do without."""

collect_ignore_glob = ["*.py"]
