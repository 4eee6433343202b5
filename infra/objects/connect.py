"""An object store by its URL."""

from __future__ import annotations

from urllib.parse import urlsplit

from infra.objects.folder import Folder, open_folder


def open_objects(url: str) -> Folder:
    """The store at this URL. Raises ValueError; the message never holds the URL, which may carry a secret."""
    scheme = urlsplit(url).scheme
    if scheme == "file":
        return open_folder(url)
    raise ValueError(f"no object store for {scheme or 'an empty'} URLs: use file:///path")
