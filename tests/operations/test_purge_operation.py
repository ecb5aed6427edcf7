"""The purge as an operation: asked for at every door in the same words, one at a time, cancelled, resumed."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from operations import housekeeping, lifecycle
from operations.asking import ask
from operations.exceptions import BadParameters, Cancelled, NotPermitted, TargetBusy
from operations.executor import Executor
from operations.intake import retry
from operations.job import Job
from operations.models import LogPart, Operation
from operations.purge_operation import KIND, PurgeParameters, ask_for_purge, carry_out
from operations.requester import Requester
from operations.states import Status
from tests.api import assert_problem, client_of, post
from tests.benchmarks.seeding import History, seed_history
from tests.operations.asking import ALICE, fresh, running, wait_until_ended
from tests.operations.rows import made
from tests.running import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

HOUR = timedelta(hours=1)
CLEANUP = "/api/operations/cleanup"
ADMIN_PAGE = "/admin/operations/operation/purge/"
BAD = [
    ("keep_hours", "-1", "'-1' is no age: write a number of hours from 0 to 878400"),
    ("keep_hours", "soon", "'soon' is not a number of hours"),
    ("keep_hours", "inf", "'inf' is no age: write a number of hours from 0 to 878400"),
    ("keep_hours", "x{0}%s" + "y" * 60, "'x{0}%s" + "y" * 34 + "' is not a number of hours"),
    ("keep_per_target", "-1", "'-1' is not a number of operations from 0 to 10000"),
    ("keep_per_target", "10001", "'10001' is not a number of operations from 0 to 10000"),
]


def others() -> int:
    return Operation.objects.exclude(kind=KIND).count()


@pytest.mark.parametrize(("name", "value", "sentence"), BAD)
def test_a_bad_value_has_one_code_and_one_sentence_at_every_door(
    alice: User, name: str, value: str, sentence: str
) -> None:
    made(ago=2 * HOUR)
    detail = f"The parameters do not fit operations.purge: {name}: {sentence}."
    with pytest.raises(BadParameters) as caught:
        ask_for_purge(ALICE, **{name: value})
    assert caught.value.detail == detail

    client = client_of(alice)
    told = assert_problem(
        client.delete(f"{CLEANUP}?{name}={value.replace('%', '%25')}"), 422, "bad-parameters"
    )
    assert told["detail"] == detail
    assert told["errors"] == {name: [sentence]}
    asked = {"kind": KIND, "target": "operations:finished", "parameters": {name: value}}
    assert assert_problem(post(client, "/api/operations", asked), 422, "bad-parameters")["detail"] == detail

    form = {"keep_hours": "1", "keep_per_target": "0", name: value}
    if len(value) <= 40:
        alice.is_superuser = True
        alice.save()
        page = client.post(ADMIN_PAGE, form)
        assert page.status_code == 200
        assert page.context["fault"] == detail

    with pytest.raises(CommandError) as refused:
        call_command("purge_operations", f"--{name.replace('_', '-')}={value}")
    assert str(refused.value) == f"bad-parameters: {detail}"
    assert refused.value.returncode == 2
    assert Operation.objects.count() == 1


def test_who_may_not_purge_is_refused_at_every_door(bob: User, charlie: User) -> None:
    made(ago=2 * HOUR)
    for person in (bob, charlie):
        assert_problem(client_of(person).delete(CLEANUP), 403, "not-permitted")
        with pytest.raises(NotPermitted):
            ask_for_purge(Requester(person.username, "api", person))
    assert_problem(client_of(None).delete(CLEANUP), 401, "not-logged-in")
    assert client_of(bob).get(ADMIN_PAGE).status_code == 403
    assert client_of(bob).post(ADMIN_PAGE, {"keep_hours": "0", "keep_per_target": "0"}).status_code == 403
    assert b"/purge/" not in client_of(bob).get("/admin/operations/operation/").content
    assert Operation.objects.count() == 1


def test_only_a_post_with_the_token_purges(alice: User) -> None:
    assert client_of(alice, csrf=True).delete(CLEANUP).status_code == 403
    assert client_of(alice).get(CLEANUP).status_code in (404, 405, 422)
    assert client_of(alice).get(ADMIN_PAGE).status_code == 200
    assert not Operation.objects.exists()


def test_the_api_and_the_admin_answer_with_the_operation(alice: User) -> None:
    answer = client_of(alice).delete(f"{CLEANUP}?keep_hours=2.5&keep_per_target=3")
    assert answer.status_code == 202
    asked = Operation.objects.get(pk=answer.json()["operation"]["id"])
    assert (asked.kind, asked.requester, asked.source) == (KIND, "alice", "api")
    assert asked.parameters["keep_hours"] == 2.5
    assert asked.parameters["keep_per_target"] == 3
    listed = client_of(alice).get("/admin/operations/operation/")
    assert ADMIN_PAGE in listed.content.decode()
    action = {"action": "purge", "_selected_action": [str(asked.pk)]}
    assert client_of(alice).post("/admin/operations/operation/", action)["Location"] == ADMIN_PAGE
    page = client_of(alice).post(ADMIN_PAGE, {"keep_hours": "1", "keep_per_target": "0"})
    assert page.status_code == 302
    assert fresh(asked).error_code == "superseded", "It waited, so the later one takes its place."
    assert Operation.objects.latest("id").source == "admin"


def test_there_is_one_at_a_time(alice: User) -> None:
    ask_for_purge(ALICE)
    [under_way] = lifecycle.claim("worker", "somebody")
    with pytest.raises(TargetBusy, match=f"operation {under_way.pk}"):
        ask_for_purge(ALICE)
    refusal = assert_problem(client_of(alice).delete(CLEANUP), 409, "target-busy")
    assert f"operation {under_way.pk}" in refusal["detail"]
    with pytest.raises(CommandError, match=f"target-busy: .*operation {under_way.pk}") as caught:
        call_command("purge_operations")
    assert caught.value.returncode == 75


def test_one_asked_for_by_its_kind_for_later_is_left_alone_and_runs_alone(settings: LazySettings) -> None:
    settings.MEDIMGR_OPERATION_KEEP_HOURS = 1
    made(ago=2 * HOUR)
    later = ask(KIND, "operations:december", ALICE, run_after=timezone.now() + 5 * HOUR)
    assert housekeeping.purge_operations() != "", "The later one does not keep the chore from its work."
    at_once = Operation.objects.latest("id")
    assert (fresh(later).status, fresh(at_once).status) == (Status.PENDING, Status.PENDING)
    Operation.objects.filter(pk=later.pk).update(run_after=timezone.now(), priority=5)
    assert [one.pk for one in lifecycle.claim("worker", "w")] == [later.pk], "One at a time."
    with pytest.raises(TargetBusy, match=f"operation {later.pk}"):
        ask_for_purge(ALICE)


@pytest.mark.django_db(transaction=True)
def test_the_worker_deletes_and_says_how_far_it_is() -> None:
    seed_history(History(500, lines=2))
    young = made("young")
    with running(Executor(threads=1)):
        ended = wait_until_ended(ask_for_purge(ALICE))
    assert ended.status == Status.SUCCESS, ended.error_detail
    assert (ended.progress_done, ended.progress_total) == (500, 500)
    assert ended.progress_message == "500 deleted"
    assert set(Operation.objects.values_list("pk", flat=True)) == {young.pk, ended.pk}
    assert not LogPart.objects.exclude(operation=ended).exists()
    [line] = LogPart.objects.get(operation=ended).lines
    assert re.match(r"500 deleted, and \d+ batch\(es\) without operations; older than ", line[2])


def cancel_at(monkeypatch: pytest.MonkeyPatch, steps: int, then: Any) -> None:
    """Call ``then`` once a purge has made so many steps."""
    from operations.purge import Purge

    step = Purge.step
    made_steps = iter(range(1, 10_000))

    def counted(self: Purge) -> bool:
        more = step(self)
        if next(made_steps) == steps:
            then()
        return more

    monkeypatch.setattr(Purge, "step", counted)


@pytest.mark.django_db(transaction=True)
def test_a_purge_is_cancelled_between_batches_and_what_is_done_stays_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seed_history(History(200, lines=0))
    asked = ask_for_purge(ALICE, batch_size=5)

    def cancel() -> None:
        lifecycle.request_cancel(asked, ALICE)
        # The keeper looks a few times a second; until it has, the purge waits in this very step.
        wait_for(lambda: all(job._cancelled for job in executor.held()), 5, "the job hears of it")

    executor = Executor(threads=1)
    cancel_at(monkeypatch, 4, cancel)
    with running(executor):
        ended = wait_until_ended(asked)
    assert (ended.status, ended.error_code) == (Status.CANCELLED, "cancelled")
    assert others() == 180
    assert ended.progress_done == 20


def test_another_try_goes_on_with_the_counts_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operations.purge_operation.CHECKPOINT_SECONDS", 0.0)
    seed_history(History(40, lines=0, targets=4))
    ask_for_purge(ALICE, batch_size=5, keep_per_target=2)
    [first] = lifecycle.claim("worker", "w")
    job = Job(first)
    cancel_at(monkeypatch, 4, lambda: job.cancel("alice"))
    with pytest.raises(Cancelled):
        carry_out(job)
    lifecycle.finish(first, Status.CANCELLED, "cancelled")
    again = retry(first, ALICE)
    assert again.checkpoint is not None
    assert again.checkpoint["deleted"] + again.checkpoint["spared"] == 20
    assert again.progress_done == 20
    [second] = lifecycle.claim("worker", "w")
    carry_out(Job(second))
    lifecycle.finish(second, Status.SUCCESS)
    assert fresh(second).progress_message == "32 deleted, 8 kept"
    assert Operation.objects.filter(target_type="service").count() == 8


def test_what_a_worker_leaves_behind_is_asked_for_again_by_itself() -> None:
    ask_for_purge(ALICE)
    [lost] = lifecycle.claim("worker", "dead")
    lifecycle.reap(timezone.now() + timedelta(seconds=60))
    assert fresh(lost).error_code == "lease-lost"
    again = Operation.objects.get(retry_of=lost)
    assert (again.source, again.requester, again.status) == ("system", "system, for alice", Status.PENDING)


def test_the_chore_asks_only_where_there_is_something_to_delete(settings: LazySettings) -> None:
    settings.MEDIMGR_OPERATION_KEEP_HOURS = 1
    assert housekeeping.purge_operations() == ""
    made(ago=2 * HOUR)
    told = housekeeping.purge_operations()
    asked = Operation.objects.get(kind=KIND)
    assert told == f"asked for operation {asked.pk}"
    assert (asked.requester, asked.source) == ("system", "system")
    assert PurgeParameters.model_validate(asked.parameters).keep_hours == 1
    assert housekeeping.purge_operations() == "", "One is under way."
    assert fresh(asked).status == Status.PENDING
    [held] = lifecycle.claim("worker", "w")
    carry_out(Job(held))
    lifecycle.finish(held, Status.SUCCESS)
    Operation.objects.update(finished_at=timezone.now() - 5 * HOUR)
    assert housekeeping.purge_operations() == "", "Nothing is old but a purge."
    made(ago=2 * HOUR)
    assert housekeeping.purge_operations() != ""


def test_the_chore_keeps_the_newest_where_it_is_told_so(settings: LazySettings) -> None:
    settings.MEDIMGR_OPERATION_KEEP_PER_TARGET = 2
    made(ago=3 * HOUR)
    made(ago=2 * HOUR)
    assert housekeeping.purge_operations() == ""
    made(ago=HOUR)
    assert housekeeping.purge_operations() != ""
    assert Operation.objects.get(kind=KIND).parameters["keep_per_target"] == 2
