"""What askers are told, in every order in which the records of a job can come."""

import gc
from dataclasses import dataclass
from typing import Any

from contracts.codec import encode
from contracts.events import JobError, Result, Status
from contracts.topics import Topics
from darkroom.board import Board
from darkroom.watch import Watch

TOPICS = Topics()


@dataclass(frozen=True, kw_only=True)
class Record:
    topic: str
    key: bytes | None
    value: bytes | None
    partition: int = 0
    offset: int = 0


def status(state: Any, *, tenant: str = "acme", **more: Any) -> Record:
    event = Status(id="j", tenant=tenant, state=state, at=1.0, attempt=0, **more)
    return Record(topic=TOPICS.status, key=b"j", value=encode(event))


def result(state: Any, *, tenant: str = "acme", model: str = "m") -> Record:
    return Record(topic=TOPICS.results, key=b"j", value=encode(Result(id="j", tenant=tenant, state=state, model=model)))


def told(watches: list[Watch], *records: Record) -> None:
    board = Board(TOPICS)
    for watch in watches:
        board.add(watch)
    for record in records:
        board.tell(record)


def sender(tenant: str | None = "acme") -> Watch:
    return Watch("j", tenant, asked=True)


def states(watch: Watch) -> list[str]:
    return [one.state for one in watch.statuses]


def test_a_sender_gets_states_and_the_result() -> None:
    watch = sender()
    told([watch], status("accepted"), status("queued"), status("running"), result("succeeded"), status("succeeded"))
    assert states(watch) == ["accepted", "queued", "running", "succeeded"]
    assert watch.final is not None
    assert watch.final.state == "succeeded"


def test_a_result_read_before_its_job_is_known_as_accepted_is_kept_until_then() -> None:
    watch = sender()
    told([watch], result("succeeded"))
    assert watch.final is None
    told([watch], status("accepted"))
    assert watch.final is not None


def test_nothing_that_follows_a_terminal_state_counts() -> None:
    watch = sender()
    told([watch], status("accepted"), status("cancelled"), status("running"), status("succeeded"))
    assert states(watch) == ["accepted", "cancelled"]


def test_another_tenants_job_of_the_same_id_is_another_job() -> None:
    watch = sender()
    told([watch], status("accepted"), status("running", tenant="other"), result("failed", tenant="other"))
    assert states(watch) == ["accepted"]
    assert watch.final is None


def test_an_onlooker_who_names_no_tenant_sees_the_job_whosever_it_is() -> None:
    watch = Watch("j", None, asked=False)
    told([watch], status("running"), result("succeeded"))
    assert watch.final is not None


def test_the_second_sender_of_the_same_job_gets_the_one_result() -> None:
    first, second = sender(), sender()
    told([first, second], status("accepted"), status("running"), status("running", repeated=True), result("succeeded"))
    assert first.final == second.final
    assert second.final is not None
    assert states(second) == ["running"]


def test_the_second_sender_with_another_body_gets_a_conflict_and_not_the_result() -> None:
    first, second = sender(), sender()
    why = JobError(code="conflict", message="taken")
    told([first, second], status("accepted"), result("succeeded"), status("succeeded"), status("conflict", error=why))
    assert first.final is not None
    assert states(first) == ["accepted", "succeeded"]
    assert second.final is None
    assert second.conflict == why
    assert second.over


def test_a_job_sent_again_after_its_end_is_known_to_need_a_look_into_the_past() -> None:
    watch = sender()
    told([watch], status("succeeded", repeated=True))
    assert watch.from_the_past
    told([watch], result("succeeded"))
    assert not watch.from_the_past
    assert watch.final is not None


def test_a_rejection_goes_to_the_sender_who_waits_and_not_to_the_one_accepted() -> None:
    first, second = sender(), sender()
    told([first, second], status("accepted"), result("rejected"), status("rejected"), result("succeeded", model="real"))
    assert first.final is not None
    assert first.final.model == "real"
    assert second.final is not None
    assert second.final.state == "rejected"


def test_a_job_that_expires_before_it_is_accepted_answers_its_sender() -> None:
    watch = sender()
    told([watch], status("expired"), result("expired"))
    assert watch.final is not None


def test_an_onlooker_sees_the_job_that_took_a_rejected_ones_id() -> None:
    watch = Watch("j", "acme", asked=False)
    told([watch], status("rejected"), result("rejected"), status("accepted"), status("succeeded"), result("succeeded"))
    assert states(watch) == ["accepted", "succeeded"]
    assert watch.final is not None
    assert watch.final.state == "succeeded"


def test_records_that_an_onlooker_has_read_already_are_not_told_twice() -> None:
    watch = Watch("j", "acme", asked=False)
    watch.since = {TOPICS.status: 1}
    told([watch], status("accepted"))
    assert states(watch) == []


def test_what_is_no_event_of_ours_is_skipped() -> None:
    watch = sender()
    told([watch], Record(topic=TOPICS.status, key=b"j", value=b"{"), Record(topic=TOPICS.results, key=b"j", value=None))
    assert watch.state == "sent"


def test_a_watch_that_nobody_holds_is_forgotten() -> None:
    board = Board(TOPICS)
    watch = sender()
    board.add(watch)
    del watch
    gc.collect()
    assert not board._watches


async def test_a_stream_ends_with_the_terminal_state() -> None:
    watch = sender()
    told([watch], status("accepted"), status("running", step=1, steps=2), status("succeeded"))
    assert [one.state async for one in watch.stream()] == ["accepted", "running", "succeeded"]
