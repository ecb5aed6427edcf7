"""An operation's log through the API: any part of it, all of it as a file, and nothing else."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from operations import lifecycle, registry
from operations.log_lines import OperationLog
from operations.log_writer import store
from operations.models import Operation
from operations.states import Status
from tests.api import assert_problem, client_of
from tests.operations.asking import ask, declare

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def operator(alice: User) -> Client:
    return client_of(alice)


@pytest.fixture
def operation(db: None) -> Operation:
    """One under way that has said five lines."""
    declare()
    try:
        ask()
        (operation,) = lifecycle.claim("worker", "somebody")
        log = OperationLog(operation)
        for number in range(1, 6):
            log.add(f"line {number}", "warning" if number == 4 else "info")
        store([log])
    finally:
        registry.unregister("service.work")
    return operation


def test_it_gives_lines_and_where_to_go_on(operator: Client, operation: Operation) -> None:
    address = f"/api/operations/{operation.pk}/log"
    first = operator.get(address, {"limit": 3}).json()
    assert [(line["number"], line["text"]) for line in first["lines"]] == [
        (1, "line 1"),
        (2, "line 2"),
        (3, "line 3"),
    ]
    assert first | {"operation": operation.pk, "last": 3, "log_lines": 5, "complete": False} == first
    rest = operator.get(address, {"after": first["last"]}).json()
    assert [(line["level"], line["text"]) for line in rest["lines"]] == [
        ("warning", "line 4"),
        ("info", "line 5"),
    ]
    assert not rest["complete"]
    lifecycle.finish(operation, Status.SUCCESS)
    assert operator.get(address, {"after": 5}).json() == {
        "operation": operation.pk,
        "lines": [],
        "last": 5,
        "log_lines": 5,
        "complete": True,
    }


def test_it_costs_the_same_however_much_was_said(
    operator: Client, operation: Operation, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    operator.get(f"/api/operations/{operation.pk}/log")
    # Session, user, permissions twice, scope, the operation, its lines.
    with django_assert_max_num_queries(7):
        operator.get(f"/api/operations/{operation.pk}/log", {"limit": 5001})


def test_all_of_it_is_a_file(operator: Client, operation: Operation) -> None:
    answer = operator.get(f"/api/operations/{operation.pk}/log", {"download": "true"})
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="operation-{operation.pk}.log"'
    lines = [line.split(" ", 1)[1] for line in answer.content.decode().splitlines()]
    assert lines[3:] == ["WARNING line 4", "INFO    line 5"]


@pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=0", "limit=5002", "after=99999999999"])
def test_what_is_asked_in_vain_is_refused(operator: Client, operation: Operation, query: str) -> None:
    answer = operator.get(f"/api/operations/{operation.pk}/log?{query}")
    assert answer.status_code == 422


def test_an_operation_that_is_gone_has_no_log(operator: Client) -> None:
    assert_problem(operator.get("/api/operations/4711/log"), 404, "operation-gone")


def test_it_takes_the_permission_to_see_operations(operation: Operation) -> None:
    eve = User.objects.create_user("eve", is_staff=True)
    assert_problem(client_of(eve).get(f"/api/operations/{operation.pk}/log"), 403, "not-permitted")
    assert Client().get(f"/api/operations/{operation.pk}/log").status_code == 401
