"""An object store by its URL."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from prometheus_client import CollectorRegistry

from contracts.metrics import Metrics
from infra.extras import told_as
from infra.objects.fallback import Fallback
from infra.objects.folder import open_folder
from infra.objects.store import Objects
from infra.settings import BadSetting


def open_objects(url: str, *, fallback: str = "", metrics: Metrics | None = None) -> Objects:
    """The store at this URL, with the one at `fallback` behind it if that is given.

    Raises BadSetting; the message never holds a URL, which may carry a secret.
    """
    kept = metrics or Metrics(CollectorRegistry())
    with told_as("store.objects"):
        first = _one(url, kept)
    if not fallback:
        return first
    with told_as("store.fallback"):
        return Fallback(first, _one(fallback, kept), kept)


def _one(url: str, metrics: Metrics) -> Objects:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        raise BadSetting("not a URL") from None
    if scheme == "file":
        return open_folder(url)
    if scheme == "s3":
        # Imported where it is used: boto3 is an extra.
        from infra.objects.s3 import S3
        from infra.objects.s3_place import place_of

        return S3(place_of(url), metrics)
    raise BadSetting(f"no object store for {scheme or 'an empty'} URLs: use file:///path or s3://bucket/prefix")


def download(url: str) -> bytes:
    """The object at the URL that a result gives, with this process's own credentials. Blocking.

    Raises NoSuchObject, ObjectsUnavailable, BadSetting.
    """
    parsed = urlsplit(url)
    folder, _, name = parsed.path.rpartition("/")
    store = _one(parsed._replace(path=folder).geturl(), Metrics(CollectorRegistry()))
    try:
        return store.get_now(unquote(name))
    finally:
        store.close()
