"""Schedulers that are each unfair in one way: what proves that the market would notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from streams.policy import fill, line, shares
from streams.policy.batching import Scheduler
from streams.policy.window import Window

if TYPE_CHECKING:
    from streams.policy.shares import Share, Shares

Plant = Callable[[pytest.MonkeyPatch], None]


def charges_nothing(patch: pytest.MonkeyPatch) -> None:
    """First come, first served."""
    patch.setattr(shares.Shares, "charge", lambda *_, **__: 0.0)


def forgets_weights(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Scheduler, "__init__", _with_equal_weights(Scheduler.__init__))


def _with_equal_weights(init: Callable[..., None]) -> Callable[..., None]:
    def wrong(self: Scheduler, *args: Any, **options: Any) -> None:
        init(self, *args, **{**options, "weight": shares.equal})

    return wrong


def company_rides_for_nothing(patch: pytest.MonkeyPatch) -> None:
    """Only who leads a batch is charged."""
    right = shares.Shares.charge

    def wrong(self: Shares, share: Share, cost_s: float, *, freely: bool) -> float:
        if share.spent > self.level:
            return 0.0
        return right(self, share, cost_s, freely=freely)

    patch.setattr(shares.Shares, "charge", wrong)


def company_rides_without_end(patch: pytest.MonkeyPatch) -> None:
    """A batch is filled by whoever has jobs, however far ahead of others."""
    patch.setattr(fill, "_may_join", lambda *_: True)


def deadlines_know_no_bounds(patch: pytest.MonkeyPatch) -> None:
    """Whoever is in a hurry goes first, always."""
    patch.setattr(shares.Shares, "may_run", lambda *_: True)


def rests_are_saved_up(patch: pytest.MonkeyPatch) -> None:
    """Who comes back takes all that it left to others."""
    patch.setattr(shares.Shares, "welcome", lambda *_: None)


def refunds_are_lost(patch: pytest.MonkeyPatch) -> None:
    """A batch that was not written is paid for all the same."""
    patch.setattr(Window, "refund", lambda *_: None)


def patience_never_ends(patch: pytest.MonkeyPatch) -> None:
    """A tenant's jobs with deadlines go before its others for ever."""
    patch.setattr(line, "PATIENCE_S", 1e9)
