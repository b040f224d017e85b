"""The module of the extra ``flows``, with an error that names it where it is missing."""

try:
    from sunkit_image import asda
except ImportError as error:
    raise ImportError(
        f"the detection of vortices needs the package {error.name!r}, which comes with an extra of sunpy_ml; "
        'install it by pip install "sunpy_ml[flows]".'
    ) from error

__all__ = ["asda"]
