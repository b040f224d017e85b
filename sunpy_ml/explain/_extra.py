"""The package of the extra ``explain``, with an error that names it where it is missing."""

try:
    from captum import attr
except ImportError as error:
    raise ImportError(
        f"explanation needs the package {error.name!r}, which comes with an extra of sunpy_ml; install it by "
        'pip install "sunpy_ml[explain]".'
    ) from error

__all__ = ["attr"]
