"""Sends the demo's jobs and follows each to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from contracts.events import Result, Status
from darkroom.client import AsyncClient
from darkroom.demo.plan import Part
from darkroom.errors import Conflict, Timeout
from darkroom.handle import AsyncHandle


@dataclass(kw_only=True, slots=True)
class Course:
    """One event and what is known of it by now."""

    number: int
    part: Part
    state: str = "sent"
    step: int = 0
    steps: int = 0
    result: Result | None = None
    why: str = ""
    """What an unwanted end says of itself."""
    over: bool = False

    @property
    def as_expected(self) -> bool:
        """It has ended as the plan says."""
        return self.over and self.state == self.part.ends


async def tell(client: AsyncClient, courses: list[Course], moved: Callable[[Course], None], wait_s: float) -> None:
    """Send everything, in order, and wait for all ends (each for so many seconds); `moved` hears of every change."""
    async with asyncio.TaskGroup() as group:
        for course in courses:
            handle = await client.submit(course.part.job)
            moved(course)
            if course.part.cancel:
                await handle.cancel()
            group.create_task(_follow(handle, course, moved, wait_s))


async def _follow(handle: AsyncHandle, course: Course, moved: Callable[[Course], None], wait_s: float) -> None:
    following = asyncio.create_task(_states(handle, course, moved))
    try:
        result = await handle.result(wait_s, check=False)
        course.result, course.state = result, result.state
        course.why = result.error.message if result.error else ""
    except Conflict as error:
        course.state, course.why = "conflict", str(error)
    except Timeout as error:
        course.state, course.why = "unfinished", str(error)
    finally:
        following.cancel()
    course.over = True
    moved(course)


async def _states(handle: AsyncHandle, course: Course, moved: Callable[[Course], None]) -> None:
    async for status in handle.status():
        _note(course, status)
        moved(course)


def _note(course: Course, status: Status) -> None:
    course.state = status.state
    course.step, course.steps = status.step or 0, status.steps or 0
