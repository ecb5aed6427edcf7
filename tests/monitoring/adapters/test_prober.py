"""However many probes are begun and given up, those of other services go on."""

import asyncio
import time

from monitoring.states import HealthKind
from monitoring.supervisor.commands import CommandRunner
from monitoring.supervisor.prober import AT_ONCE, FIRST_SECONDS, Prober
from monitoring.supervisor.probes import ProbeResult
from monitoring.supervisor.spec import HealthCheck, ServiceSpec
from tests.running import free_port, wait_for
from tests.silent_listener import silent_listener

NOBODY_LISTENS = HealthCheck(HealthKind.TCP, port=free_port(), interval=60.0, timeout=1.0)
SPEC = ServiceSpec("it", "It", ("it",))


def prober_of(loop: asyncio.AbstractEventLoop, answers: "Answers") -> Prober:
    return Prober(loop, answers, commands=CommandRunner(loop, node="n1", data_dir="/"))


class Answers:
    """Collects the answers of a prober under test."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, key: str, run_id: str, result: ProbeResult) -> bool:
        del run_id, result
        self.keys.append(key)
        self._news.set()
        return False

    async def of(self, key: str) -> None:
        async with asyncio.timeout(5):
            while key not in self.keys:
                self._news.clear()
                await self._news.wait()


async def test_probes_given_up_before_their_first_step_take_no_place_for_ever() -> None:
    loop = asyncio.get_running_loop()
    answers = Answers()
    prober = prober_of(loop, answers)
    keys = [f"service-{number}" for number in range(AT_ONCE)]

    def give_up() -> None:
        for key in keys:
            prober.stop(key)

    for key in keys:
        prober.start(key, "run", NOBODY_LISTENS, starting=True, spec=SPEC)
    loop.call_later(FIRST_SECONDS + 0.002, give_up)
    time.sleep(FIRST_SECONDS + 0.02)  # noqa: ASYNC251  (a busy loop: both are due in its next turn)
    prober.start("another", "run", NOBODY_LISTENS, starting=True, spec=SPEC)
    await answers.of("another")
    assert answers.keys == ["another"]


async def test_probes_given_up_under_way_make_room_for_those_that_wait() -> None:
    loop = asyncio.get_running_loop()
    answers = Answers()
    prober = prober_of(loop, answers)
    with silent_listener() as port:
        hanging = HealthCheck(HealthKind.HTTP, url=f"http://127.0.0.1:{port}/", interval=60.0, timeout=30.0)
        keys = [f"service-{number}" for number in range(AT_ONCE)]
        for key in keys:
            prober.start(key, "run", hanging, starting=True, spec=SPEC)
        prober.start("another", "run", NOBODY_LISTENS, starting=True, spec=SPEC)
        await asyncio.to_thread(wait_for, lambda: len(asyncio.all_tasks(loop)) > AT_ONCE, 5, "all are asked")
        assert answers.keys == []
        prober.stop(keys[0])
        await answers.of("another")
        for key in keys:
            prober.stop(key)
