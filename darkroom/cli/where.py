"""Options that verbs share: which system is meant, who asks, and JSON."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from darkroom import place, running
from darkroom.client import AsyncClient
from darkroom.place import Place
from darkroom.running import Running

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
json_option = click.option("--json", "json", is_flag=True, help="Print JSON, one document a line.")
tenant_option = click.option("--tenant", default="default", show_default=True, envvar="DARKROOM_TENANT", help="Who asks.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """Which Darkroom."""

    data: Path | None
    kafka: str | None
    prefix: str | None

    def place(self) -> Place:
        """Its Kafka and topics. Raises `NotRunning`."""
        return place.find(self.kafka, prefix=self.prefix, data=self.data)

    def client(self, tenant: str | None = None) -> AsyncClient:
        """A client of it. Raises `NotRunning`."""
        return AsyncClient(self.kafka, tenant=tenant, prefix=self.prefix, data=self.data)

    def running(self) -> Running:
        """The system on this machine. Raises `NotRunning`."""
        return running.read(self.data or running.DATA)


def where_options(verb: F) -> F:
    """Give a verb `--data`, `--kafka` and `--prefix`, as its argument `where`."""

    @click.option("--data", type=FOLDER, help="Data folder of the running system.  [default: .darkroom]")
    @click.option("--kafka", metavar="HOST:PORT", help="Its Kafka, if it does not run on this machine.")
    @click.option("--prefix", help="What its topic names begin with.")
    @functools.wraps(verb)
    def with_where(*, data: Path | None, kafka: str | None, prefix: str | None, **options: Any) -> Any:
        return verb(where=Where(data=data, kafka=kafka, prefix=prefix), **options)

    return with_where  # type: ignore[return-value]  # the decorators of click erase what they wrap
