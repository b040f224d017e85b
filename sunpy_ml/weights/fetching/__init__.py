"""Fetching: the verified file of a card, from this machine if it is there and from its authors if it is not."""

from sunpy_ml.weights.fetching.local import FileStatus, cached_path, file_status, is_fetched, verify
from sunpy_ml.weights.fetching.remote import fetch

__all__ = ["FileStatus", "cached_path", "fetch", "file_status", "is_fetched", "verify"]
