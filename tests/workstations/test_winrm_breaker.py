"""A workstation that can't be reached is asked once a minute, by one alone, until it is reached again."""

import threading
import time
from datetime import datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from operations.exceptions import Cancelled
from tests.workstations.fleet_rows import make_workstation
from tests.workstations.peer import Machine, Peer
from tests.workstations.winrm_sessions import SAMPLE
from workstations.exceptions import (
    AuthenticationFailure,
    NotAskedAgain,
    PasswordMissing,
    Refused,
    RemoteFailure,
)
from workstations.models import Workstation
from workstations.winrm import breaker
from workstations.winrm.reaching import Until, reach

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _key(settings: Settings) -> None:
    settings.MEDIMGR_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]


@pytest.fixture
def machine(peer: Peer) -> Machine:
    return peer.machine()


@pytest.fixture
def workstation(machine: Machine) -> Workstation:
    row = make_workstation("pc-1", host=machine.host, port=machine.port, username=machine.username)
    row.set_password(machine.password)
    row.save()
    return row


def ask(workstation: Workstation, *, always: bool = False) -> int:
    """Run a program there, as a chore does."""
    with reach(workstation, Until(time.monotonic() + 20), always=always) as host:
        return host.run(SAMPLE, ["exit", "7"], timeout=10).exit_code


def stored(workstation: Workstation) -> tuple[int, float | None]:
    """Return the failures in a row, and in how many seconds it may be asked again."""
    row = Workstation.objects.get(pk=workstation.pk)
    due = row.next_probe_at
    return row.failures, None if due is None else (due - timezone.now()).total_seconds()


def make_due(workstation: Workstation) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Workstation.objects.filter(pk=workstation.pk).update(next_probe_at=past)


def test_one_that_is_reached_costs_one_query_and_no_write(workstation: Workstation) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert ask(workstation) == 7
    assert len(queries) == 1
    assert queries[0]["sql"].startswith("SELECT")
    assert stored(workstation) == (0, None)


def test_after_a_failure_nobody_is_asked_for_a_minute(
    peer: Peer, machine: Machine, workstation: Workstation
) -> None:
    peer.close_port(machine)
    with pytest.raises(Refused):
        ask(workstation)
    failures, seconds = stored(workstation)
    assert failures == 1
    assert seconds is not None
    assert breaker.PROBE_SECONDS - 5 < seconds <= breaker.PROBE_SECONDS
    peer.open_port(machine)
    requests = machine.requests
    with pytest.raises(
        NotAskedAgain, match=r"could not be reached a moment ago, .* at \d\d:\d\d:\d\d"
    ) as raised:
        ask(workstation)
    assert raised.value.code == "workstation-not-asked"
    assert machine.requests == requests
    assert stored(workstation)[0] == 1


def test_a_probe_that_fails_begins_the_next_minute(
    peer: Peer, machine: Machine, workstation: Workstation
) -> None:
    peer.close_port(machine)
    for failures in (1, 2, 3):
        with pytest.raises(Refused):
            ask(workstation)
        found, seconds = stored(workstation)
        assert found == failures
        assert seconds is not None
        assert seconds > breaker.PROBE_SECONDS - 5
        make_due(workstation)
    Workstation.objects.filter(pk=workstation.pk).update(next_probe_at=timezone.now() + timedelta(seconds=30))
    with pytest.raises(NotAskedAgain, match="3 times in a row"):
        ask(workstation)


def test_a_success_lets_everybody_ask_again(peer: Peer, machine: Machine, workstation: Workstation) -> None:
    peer.close_port(machine)
    with pytest.raises(Refused):
        ask(workstation)
    peer.open_port(machine)
    make_due(workstation)
    assert ask(workstation) == 7
    assert stored(workstation) == (0, None)
    assert ask(workstation) == 7


def test_who_insists_asks_at_once_and_lets_the_others_ask_again(
    peer: Peer, machine: Machine, workstation: Workstation
) -> None:
    peer.close_port(machine)
    with pytest.raises(Refused):
        ask(workstation)
    with pytest.raises(Refused):
        ask(workstation, always=True)
    peer.open_port(machine)
    stale = Workstation.objects.get(pk=workstation.pk)
    stale.failures, stale.next_probe_at = 0, None
    assert ask(stale, always=True) == 7
    assert stored(workstation) == (0, None)


def test_of_many_at_once_one_takes_the_probe(
    peer: Peer, machine: Machine, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.close_port(machine)
    with pytest.raises(Refused):
        ask(workstation)
    make_due(workstation)
    peer.open_port(machine)
    all_have_read = threading.Barrier(8)
    outcomes: list[str] = []

    class Clock:
        localtime = staticmethod(timezone.localtime)

        @staticmethod
        def now() -> datetime:
            all_have_read.wait(20)  # it is asked for between the reading and the writing
            return timezone.now()

    monkeypatch.setattr(breaker, "timezone", Clock)

    def probe() -> None:
        row = Workstation.objects.get(pk=workstation.pk)
        try:
            breaker.admit(row)
            outcomes.append("asked")
        except NotAskedAgain:
            outcomes.append("not asked")
        finally:
            connection.close()

    threads = [threading.Thread(target=probe) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["asked", *["not asked"] * 7]


def test_a_refused_login_waits_longer_so_that_no_account_is_locked(
    machine: Machine, workstation: Workstation
) -> None:
    machine.change_password("another")
    with pytest.raises(AuthenticationFailure):
        ask(workstation)
    seconds = stored(workstation)[1]
    assert seconds is not None
    assert seconds > breaker.REFUSED_LOGIN_SECONDS - 10
    for _ in range(5):
        with pytest.raises(NotAskedAgain):
            ask(workstation)
    assert machine.failed_logins == 1


def test_one_that_goes_away_while_it_is_worked_with_was_not_reached_in_the_end(
    peer: Peer, machine: Machine, workstation: Workstation
) -> None:
    with reach(workstation, Until(time.monotonic() + 20)) as host:
        host.run(SAMPLE, ["exit", "0"], timeout=10)
        machine.expire_shells()
        peer.close_port(machine)
        for _ in range(2):
            with pytest.raises(RemoteFailure):
                host.run(SAMPLE, ["exit", "0"], timeout=10)
    assert stored(workstation)[0] == 1


def test_a_failure_on_the_workstation_itself_is_no_reason(machine: Machine, workstation: Workstation) -> None:
    machine.faults.quota_on_create = 1
    with pytest.raises(RemoteFailure):
        ask(workstation)
    assert stored(workstation) == (0, None)
    assert ask(workstation) == 7


def test_a_cancel_is_no_failure(workstation: Workstation) -> None:
    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled), reach(workstation, Until(time.monotonic() + 20, cancel)) as host:
        host.run(SAMPLE, ["exit", "0"], timeout=10)
    assert stored(workstation) == (0, None)


def test_a_clock_that_was_set_back_bars_nobody_for_long(workstation: Workstation) -> None:
    Workstation.objects.filter(pk=workstation.pk).update(
        failures=1, next_probe_at=timezone.now() + timedelta(days=300)
    )
    assert ask(workstation) == 7


def test_a_password_that_no_key_opens_is_told_before_anything_is_sent(
    machine: Machine, workstation: Workstation, settings: Settings
) -> None:
    for keys in ([Fernet.generate_key().decode()], []):
        settings.MEDIMGR_ENCRYPTION_KEYS = keys
        with pytest.raises(PasswordMissing, match="MEDIMGR_ENCRYPTION_KEYS"):
            ask(workstation)
    assert machine.requests == 0
    assert stored(workstation) == (0, None)


def test_the_password_is_given_to_whoever_keeps_it_out_of_logs(
    workstation: Workstation, machine: Machine
) -> None:
    masked: list[str] = []

    class Masking(Until):
        def mask(self, value: str) -> None:
            masked.append(value)

    with reach(workstation, Masking(time.monotonic() + 20)):
        pass
    assert masked == [machine.password]


def test_one_that_was_deleted_meanwhile_breaks_nothing(workstation: Workstation) -> None:
    Workstation.objects.filter(pk=workstation.pk).delete()
    assert ask(workstation) == 7
