"""Scheduled services are due on time, once, and also when the clock on the wall is set."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from monitoring.supervisor import timetable as module
from monitoring.supervisor.timetable import Timetable

NOON = datetime(2024, 5, 1, 12, 0, tzinfo=UTC).timestamp()


class Wall:
    """A clock that goes as the real one does, but can be set."""

    def __init__(self) -> None:
        self._ahead = NOON - time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() + self._ahead

    def set_to(self, seconds_after_noon: float) -> None:
        self._ahead = NOON + seconds_after_noon - time.monotonic()


class Office:
    """A timetable whose clock can be set, and what it said was due."""

    def __init__(self) -> None:
        self.wall = Wall()
        self.due: asyncio.Queue[str] = asyncio.Queue()
        self.table = Timetable(asyncio.get_running_loop(), self.due.put_nowait, now=self.wall)

    async def next_due(self, within: float = 3.0) -> str:
        return await asyncio.wait_for(self.due.get(), within)

    async def nothing_is_due(self, seconds: float = 0.3) -> None:
        with pytest.raises(TimeoutError):
            await self.next_due(seconds)

    def next_of(self, key: str) -> str:
        found = self.table.next_of(key)
        return f"{found:%d %H:%M}" if found else ""


@pytest_asyncio.fixture
async def office(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    found = Office()
    yield found
    found.table.close()


async def test_a_service_is_due_when_its_time_has_come(office: Office) -> None:
    office.table.set("cleanup", "* * * * *", "")
    office.table.set("report", "0 18 * * *", "Europe/Berlin")
    assert (office.next_of("cleanup"), office.next_of("report")) == ("01 12:01", "01 16:00")
    office.wall.set_to(59.7)
    assert await office.next_due() == "cleanup"
    assert office.wall() >= NOON + 60
    assert office.next_of("cleanup") == "01 12:02"
    await office.nothing_is_due()


async def test_it_is_never_due_early(office: Office) -> None:
    office.wall.set_to(59.5)
    office.table.set("cleanup", "* * * * *", "")
    await office.next_due()
    assert NOON + 60 <= office.wall() < NOON + 60.5


async def test_what_was_missed_is_due_once(office: Office) -> None:
    office.table.set("cleanup", "*/10 * * * *", "")
    office.wall.set_to(5 * 3600 + 30)  # the machine has slept
    assert await office.next_due() == "cleanup"
    assert office.next_of("cleanup") == "01 17:10"
    await office.nothing_is_due()


async def test_a_clock_set_back_a_little_makes_nothing_due_twice(office: Office) -> None:
    office.table.set("cleanup", "*/10 * * * *", "")
    office.wall.set_to(601)
    assert await office.next_due() == "cleanup"
    office.wall.set_to(599.8)
    await office.nothing_is_due(0.5)
    office.wall.set_to(0)
    await office.nothing_is_due()
    assert office.next_of("cleanup") == "01 12:20"
    office.wall.set_to(1199.9)
    assert await office.next_due() == "cleanup"


async def test_a_clock_that_was_a_year_ahead_does_not_silence_a_schedule_for_a_year(office: Office) -> None:
    office.table.set("cleanup", "*/10 * * * *", "")
    office.wall.set_to(366 * 86400)
    assert await office.next_due() == "cleanup"
    office.wall.set_to(0)
    await office.nothing_is_due()
    assert office.next_of("cleanup") == "01 12:10"
    office.wall.set_to(599.9)
    assert await office.next_due() == "cleanup"


async def test_a_clock_set_back_before_anything_was_due_is_followed(office: Office) -> None:
    office.table.set("cleanup", "0 13 * * *", "")
    office.wall.set_to(-86400)
    await office.nothing_is_due()
    assert office.next_of("cleanup") == "30 13:00"


async def test_the_same_schedule_set_again_changes_nothing_and_another_does(office: Office) -> None:
    office.table.set("cleanup", "0 13 * * *", "")
    office.wall.set_to(3700)
    office.table.set("cleanup", "0 13 * * *", "")
    assert await office.next_due() == "cleanup"
    office.table.set("cleanup", "0 15 * * *", "Europe/Berlin")
    assert office.next_of("cleanup") == "02 13:00"
    with pytest.raises(ValueError, match="makes no sense"):
        office.table.set("cleanup", "99 * * * *", "")
    assert office.table.next_of("cleanup") is None


async def test_what_was_taken_off_is_due_no_more_even_in_the_same_turn() -> None:
    wall, seen, called = Wall(), [], asyncio.Event()

    def due(key: str) -> None:
        seen.append(key)
        called.set()
        table.forget("second")

    table = Timetable(asyncio.get_running_loop(), due, now=wall)
    wall.set_to(59.9)
    for key in ("second", "first"):
        table.set(key, "* * * * *", "")
    table.forget("nobody")
    await asyncio.wait_for(called.wait(), 3)
    assert seen == ["first"]
    assert table.next_of("second") is None
    table.close()
    assert table.next_of("first") is None


async def test_a_schedule_that_never_comes_true_is_never_due(office: Office) -> None:
    office.table.set("never", "0 0 */31 2 1L", "")
    assert office.table.next_of("never") is None
    await office.nothing_is_due(0.1)


async def test_a_thousand_schedules_cost_one_timer(office: Office) -> None:
    for number in range(1000):
        office.table.set(f"service-{number}", "* * * * *", "")
    office.wall.set_to(60)
    begun = time.monotonic()
    assert {await office.next_due() for _ in range(1000)} == {f"service-{number}" for number in range(1000)}
    assert time.monotonic() - begun < 2
    assert office.table.next_of("service-1") == datetime.fromtimestamp(NOON, UTC) + timedelta(minutes=2)
