"""What a blow may cost: what the worker had in hand by its own reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.work import WorkerReport
from infra.settings import Settings
from loadtest.storm.faults import Blow, Fault, Struck
from loadtest.storm.in_hand import InHand
from loadtest.storm.options import Options
from loadtest.storm.parts import Life
from loadtest.storm.victims import Victims

OPTIONS = Options(workers=1, streams=0, settles=0, slots=2, batch_cap=4)
AT_S = 100.0


@pytest.fixture
def victims(tmp_path: Path) -> Victims:
    return Victims(OPTIONS, Settings(), tmp_path, 0, ())


def struck(victims: Victims, blow: Blow) -> None:
    victims.blows.append(Struck(fault=Fault(actor="gpu-1", blow=blow, after_s=1.0), at=AT_S, life=1))
    if blow != "freeze":
        how = "killed by signal 9" if blow == "kill" else "ended with status 0"
        life = Life(slot="gpu-1", number=1, began=0.0, ready=1.0, ended=AT_S, struck=True, how=how)
        victims.processes[0].lives.append(life)


def report(slots: int, at: float = AT_S - 0.5, life: int = 1) -> WorkerReport:
    return WorkerReport(worker=f"gpu-1.{life}-beef", pool="default", at=at, generation=1, slots=slots)


@pytest.mark.parametrize(("blow", "runs", "objects"), [("kill", 8, 8), ("freeze", 8, 0), ("term", 0, 0)])
def test_with_the_store_there_it_is_a_batch_a_slot(victims: Victims, blow: Blow, runs: int, objects: int) -> None:
    struck(victims, blow)
    in_hand = InHand(victims, [report(2)])
    assert (in_hand.extra_allowed(), in_hand.orphans_allowed()) == (runs, objects)


@pytest.mark.parametrize(("blow", "runs"), [("kill", 20), ("freeze", 20), ("term", 12)])
def test_what_waited_for_the_store_comes_on_top(victims: Victims, blow: Blow, runs: int) -> None:
    struck(victims, blow)
    assert InHand(victims, [report(3, at=AT_S - 5), report(5)]).extra_allowed() == runs


def test_a_report_that_takes_no_batch_tells_nothing_of_what_is_in_hand(victims: Victims) -> None:
    struck(victims, "kill")
    assert InHand(victims, [report(5, at=AT_S - 2), report(0)]).extra_allowed() == 20


def test_other_lives_and_later_reports_count_for_nothing(victims: Victims) -> None:
    struck(victims, "kill")
    assert InHand(victims, [report(9, life=2), report(9, at=AT_S + 5)]).extra_allowed() == 8


def test_only_of_the_dead_objects_may_be_left(victims: Victims) -> None:
    struck(victims, "kill")
    in_hand = InHand(victims, [report(2), WorkerReport(worker="gpu-1.2-cafe", pool="default", at=AT_S, generation=1)])
    assert in_hand.dead_workers() == {"beef"}
