"""What an invariant found."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Verdict(Struct, frozen=True, kw_only=True):
    """Kept if there are no faults. An invariant that checked nothing has shown nothing."""

    invariant: str
    checks: int
    faults: list[str]

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        return not self.faults


def verdict(invariant: str, checks: Iterable[str | None]) -> Verdict:
    """From one item a check: None where it held, else what was wrong."""
    answers = list(checks)
    return Verdict(invariant=invariant, checks=len(answers), faults=[one for one in answers if one is not None])


def said(name: tuple[str, str]) -> str:
    """A job's name in a fault."""
    return "/".join(name)
