"""What is said of a setting that cannot work: its name, and what to install if that is all it takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infra.settings import BadSetting


@contextmanager
def told_as(setting: str) -> Iterator[None]:
    """Begin with the setting's name what is said about its value."""
    try:
        yield
    except BadSetting as error:
        raise BadSetting(f"{setting}: {error}") from None


@contextmanager
def from_extra(extra: str, library: str, what: str) -> Iterator[None]:
    """Around the imports of what needs a library that only an extra installs. Raises BadSetting if it is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != library:
            raise
        raise BadSetting(f"{what} needs an extra: pip install 'darkroom[{extra}]'") from None
