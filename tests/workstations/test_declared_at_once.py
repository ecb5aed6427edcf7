"""Several people declare the same at the same moment: one of them does, the others are told."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from workstations.declaring import declare, redeclare
from workstations.exceptions import BadWorkstation
from workstations.models import Workstation

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]
PEOPLE = 4


def test_the_same_name_and_listener_is_declared_once() -> None:
    together = threading.Barrier(PEOPLE)

    def ask(_number: int) -> dict[str, list[str]]:
        try:
            together.wait(20)
            declare({"name": "pc-1", "host": "10.0.0.1"})
        except BadWorkstation as problem:
            return problem.errors
        finally:
            connections.close_all()
        return {}

    with ThreadPoolExecutor(PEOPLE) as people:
        told = list(people.map(ask, range(PEOPLE)))
    assert Workstation.objects.count() == 1
    assert sorted(map(sorted, told)) == [[], *([["host", "name"]] * (PEOPLE - 1))]


def test_changes_of_different_fields_at_once_all_stay() -> None:
    row = declare({"name": "pc-1", "host": "10.0.0.1"})
    wishes = [{"boot_seconds": 77}, {"concurrency": 5}, {"tags": ["a"]}, {"username": "operator"}]
    together = threading.Barrier(len(wishes))

    def ask(wish: dict[str, object]) -> None:
        try:
            together.wait(20)
            redeclare(row.pk, wish)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(wishes)) as people:
        list(people.map(ask, wishes))
    row.refresh_from_db()
    assert (row.boot_seconds, row.concurrency, row.tags, row.username) == (77, 5, ["a"], "operator")
