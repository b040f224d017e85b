"""The packages of the extra ``train``, with an error that names it where they are missing."""

try:
    import lightning
    import torchmetrics
except ImportError as error:
    raise ImportError(
        f"training needs the package {error.name!r}, which comes with an extra of sunpy_ml; install it by "
        'pip install "sunpy_ml[train]".'
    ) from error

__all__ = ["lightning", "torchmetrics"]
