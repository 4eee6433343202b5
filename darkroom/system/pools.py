"""How pools are, as their schedulers said last, and when a job may be done by that."""

from __future__ import annotations

from contracts.codec import Decoder
from contracts.events import Status, Tier
from contracts.pools import PoolState
from contracts.topics import STATES_TAIL
from darkroom.place import Place
from darkroom.system.tail import tail
from streams.policy.eta import Eta, Front
from streams.policy.outlook import alive
from streams.policy.pool import look

_decode = Decoder(PoolState)


async def pools(place: Place) -> dict[str, PoolState]:
    """The last word on each pool."""
    found = await tail(place, place.topics.states, _decode, STATES_TAIL * len(place.topics.pools))
    return {state.pool: state for state in found.values()}


def coming(state: PoolState | None, tier: Tier, tenant: str, price_s: float, model: str, now: float) -> Eta | None:
    """Of a job that would come now; None: nobody knows."""
    known = alive(state, now)
    return Front(known, tier, tenant, look(known, tier, {}, now)).peek(price_s, model) if known else None


def standing(state: PoolState | None, queued: Status, now: float) -> Eta | None:
    """Of a job that was told when it queued where it stood; None: nobody knows."""
    known, queue = alive(state, now), queued.queue
    if known is None or queue is None:
        return None
    front = Front(known, queue.tier, queued.tenant, look(known, queue.tier, {}, now))
    parked_s = queued.at + queue.parked_s - now
    if parked_s > 0:
        return front.peek(queue.price_s, "").after(parked_s)
    return front.since(queued.at + queue.parked_s).peek(queue.price_s, "")
