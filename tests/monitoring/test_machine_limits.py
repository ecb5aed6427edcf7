"""What a service shows that is at a limit, and how it is replaced. The machine alone. Scenario 29."""

from dataclasses import replace

from monitoring.states import Health, Intent, Reason, State
from monitoring.supervisor.happenings import AtLimit, Exited, Recycle, TreeGone
from tests.monitoring.situations import RUN, SPEC, run, running

WAITS = AtLimit(RUN, Reason.MEMORY, "used 612 MB of 500 MB; waits for its turn")


def test_a_service_that_waits_for_its_turn_says_so_until_it_is_below_its_limit() -> None:
    before = running(cause=Reason.BOOT, cause_detail="", reason=Reason.BOOT)
    told, effects = run(before, WAITS)
    assert (told.state, told.reason, told.detail) == (State.RUNNING, Reason.MEMORY, WAITS.detail)
    assert effects == []
    below, _ = run(told, AtLimit(RUN))
    assert below == before


def test_what_is_worse_stays_to_be_seen() -> None:
    ill = running(health=Health.UNHEALTHY, reason=Reason.UNHEALTHY, detail="status 500")
    assert run(ill, WAITS)[0] == ill
    assert run(ill, AtLimit(RUN))[0] == ill


def test_a_limit_of_an_earlier_run_is_nothing_to_this_one() -> None:
    now = running()
    assert run(now, AtLimit("an earlier run", Reason.CPU, "used 99 %"))[0] == now


def test_a_run_at_its_limit_is_replaced_and_that_is_no_failure() -> None:
    before = running(streak=2, failures=(990.0,), restarts=3)
    spec = replace(SPEC, max_failures=1)
    stopping, _ = run(before, Recycle(RUN, Reason.MEMORY, "used 612 MB of 500 MB"), spec=spec)
    assert stopping.state is State.STOPPING
    after, _ = run(stopping, Exited(RUN, 0), TreeGone(RUN), spec=spec)
    assert (after.state, after.intent) == (State.WAITING, Intent.UP)
    assert (after.cause, after.cause_detail) == (Reason.MEMORY, "used 612 MB of 500 MB")
    assert (after.streak, after.failures) == (2, (990.0,))
    assert after.auto_recovery
