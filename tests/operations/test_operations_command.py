"""``manage.py operations`` does from a shell what page and API do, and says in one line what came of it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone
from pydantic import BaseModel

from operations import lifecycle
from operations.asking import ask as ask_by_name
from operations.exceptions import NotPermitted
from operations.executor import Executor
from operations.management.commands.operations import Command
from operations.models import Operation
from operations.registry import WORKER_QUEUE
from operations.requester import Requester
from operations.shell_requester import requester
from tests.operations.asking import WORK, ask, declare, fresh, in_thread, service
from tests.running import wait_for

pytestmark = [pytest.mark.both_databases]


class Size(BaseModel):
    size: int = 1


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("operations", *arguments)
    written = capsys.readouterr()
    assert written.err == ""
    return written.out


@pytest.mark.django_db
def test_it_asks_and_says_for_whom(capsys: pytest.CaptureFixture[str]) -> None:
    declare(parameters=Size)
    service()
    told = run(capsys, "ask", WORK, "service:backend", "--parameters", '{"size": 3}', "--reason", "nightly")
    made = Operation.objects.get()
    assert told == (
        f"Operation {made.pk} (Work service:backend): pending, asked for by {requester().name}.\n"
    )
    assert (made.parameters, made.reason, made.source) == ({"size": 3}, "nightly", "command")
    assert made.queue == WORKER_QUEUE


@pytest.mark.django_db
def test_the_same_key_asks_once(capsys: pytest.CaptureFixture[str]) -> None:
    service()
    first = run(capsys, "ask", WORK, "service:backend", "--key", "2026-01-01")
    assert run(capsys, "ask", WORK, "service:backend", "--key", "2026-01-01") == first
    assert Operation.objects.count() == 1


@pytest.mark.django_db
def test_it_can_be_more_urgent_and_for_later(capsys: pytest.CaptureFixture[str]) -> None:
    service()
    later = timezone.now().replace(microsecond=0) + timedelta(hours=1)
    for _ in range(2):  # the same key and time: the same request
        run(
            capsys, "ask", WORK, "service:backend", "--priority", "7", "--not-before", later.isoformat(),
            "--key", "k1",
        )  # fmt: skip
    made = Operation.objects.get()
    assert (made.priority, made.run_after) == (7, later)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fails", [False, True])
def test_it_waits_for_the_end_and_its_status_says_how_it_was(
    fails: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def handler(job: object) -> None:
        if fails:
            raise ZeroDivisionError

    declare(handler=handler)
    service()
    worker = in_thread(drain_once_asked)
    try:
        if fails:
            with pytest.raises(SystemExit) as caught:
                run(capsys, "ask", WORK, "service:backend", "--wait")
            assert caught.value.code == 1
            assert "failed (internal-error)" in capsys.readouterr().out
        else:
            assert run(capsys, "ask", WORK, "service:backend", "--wait").endswith(": success.\n")
    finally:
        worker.join(20)


def drain_once_asked() -> None:
    wait_for(Operation.objects.exists, 10, "it is asked for")
    Executor().run(drain=True)


@pytest.mark.django_db
def test_it_shows_cancels_and_asks_again(capsys: pytest.CaptureFixture[str]) -> None:
    made = ask()
    name = f"Operation {made.pk} (Work service:backend)"
    assert run(capsys, "show", str(made.pk)) == f"{name}: pending, asked for by alice.\n"
    assert run(capsys, "cancel", str(made.pk)).startswith(f"{name}: cancelled (cancelled).")
    assert fresh(made).cancel_requested_by == requester().name
    run(capsys, "retry", str(made.pk))
    again = Operation.objects.active().get()
    assert again.retry_of_id == made.pk
    lifecycle.claim(WORKER_QUEUE, "w1")
    assert ": cancelling, asked for by" in run(capsys, "cancel", str(again.pk))
    assert run(capsys, "list").splitlines() == [
        run(capsys, "show", str(pk)).strip() for pk in (again.pk, made.pk)
    ]


@pytest.mark.django_db
def test_it_lists_what_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(capsys, "kinds").splitlines()
    assert any(line.split() == [WORK, "service:KEY", "Work"] for line in lines)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ask", "service.fly", "service:backend"], "unknown-kind: There is no operation called"),
        (["ask", WORK, "backend"], "bad-parameters: service.work is about a service: write its target as"),
        (["ask", WORK, "service:no\0where"], "target-gone: There is no service:no"),
        (
            ["ask", WORK, "service:backend", "--not-before", "2026-01-01"],
            "bad-parameters: The time",
        ),
        (
            ["ask", WORK, "service:backend", "--not-before", "9999-01-01T00:00Z"],
            "bad-parameters: The time",
        ),
        (["retry", "99999999999999999999"], "operation-gone: There is no operation 99999999999999999999."),
    ],
)
def test_a_refusal_has_its_code_and_exit_status_1(arguments: list[str], told: str) -> None:
    service()
    with pytest.raises(CommandError) as caught:
        call_command("operations", *arguments)
    assert str(caught.value).startswith(told)
    assert caught.value.returncode == 1
    assert not Operation.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ask", WORK, "service:backend", "--parameters", "[1]"], "'[1]' is no JSON object"),
        (["ask", WORK, "service:backend", "--not-before", "soon"], "'soon' is no time"),
        (["show", "seven"], "seven"),
        ([], "SUBCOMMAND"),
    ],
)
def test_what_is_no_command_line_ends_with_status_2(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        Command().run_from_argv(["manage.py", "operations", *arguments])
    assert caught.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.django_db
def test_who_may_not_act_is_not_told_what_there_is(bob: User, charlie: User) -> None:
    for user in (bob, charlie):
        with pytest.raises(NotPermitted):
            ask_by_name(WORK, "service:nobody", Requester("x", "api", user))


@pytest.mark.django_db
def test_a_database_that_fails_is_told() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE operations_operation RENAME TO taken_away")
    try:
        with pytest.raises(CommandError, match=r"^database: The database could not be used: .*operations_op"):
            call_command("operations", "list")
    finally:
        if connection.vendor == "sqlite":  # PostgreSQL rolls it back with the test
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE taken_away RENAME TO operations_operation")
