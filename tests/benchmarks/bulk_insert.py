"""Inserts very many rows of a model quickly: what is tested with a million rows has to make them first."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import AutoField, Model

_AT_A_TIME = 20_000


def bulk_insert(model: type[Model], rows: Iterable[Mapping[str, Any]]) -> int:
    """Insert ``rows`` and return how many they were; a field that a row lacks gets its default.

    Values are as the database takes them: times of :func:`database_time`, JSON as text. Past the ORM, with no
    signal and no event. All rows name the same fields as the first; with ``id`` among them, the sequence is
    set behind the largest.
    """
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return 0
    columns, defaults = _columns(model, first)
    constant = tuple(defaults.values())
    names = ", ".join(f'"{name}"' for name in [*columns.values(), *defaults])
    keys = tuple(columns)
    values = (tuple(row[key] for key in keys) + constant for row in itertools.chain([first], rows))
    table = model._meta.db_table
    count = 0
    with _no_waiting_for_disks(), connection.cursor() as cursor:
        while chunk := list(itertools.islice(values, _AT_A_TIME)):
            with transaction.atomic():
                if connection.vendor == "postgresql":
                    with cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
                        for row in chunk:
                            copy.write_row(row)
                else:
                    marks = ", ".join("?" * len(chunk[0]))
                    sql = f'INSERT INTO "{table}" ({names}) VALUES ({marks})'
                    cursor.connection.executemany(sql, chunk)
            count += len(chunk)
        if connection.vendor == "postgresql" and "id" in columns and isinstance(model._meta.pk, AutoField):
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM \"{table}\"))"
            )
    return count


def database_time(at: datetime) -> Any:
    """Return an aware time as this database's driver takes it."""
    return at if connection.vendor == "postgresql" else str(at.astimezone(UTC).replace(tzinfo=None))


def analyze() -> None:
    """Have the database look at how many rows there are now, as it does by itself in the long run."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _columns(model: type[Model], row: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the columns that the rows give, by the key there, and the value of each other column."""
    given: dict[str, str] = {}
    defaults: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        column = field.column
        if field.attname in row:
            given[field.attname] = column
        elif not field.primary_key:
            defaults[column] = field.get_db_prep_save(field.get_default(), connection)
    if unknown := set(row) - set(given):
        raise ValueError(f"{model.__name__} has no field {', '.join(sorted(unknown))}.")
    return given, defaults


@contextmanager
def _no_waiting_for_disks() -> Iterator[None]:
    """A crash would cost these rows, and they can be made again. Inside a transaction all stays as it is."""
    if connection.in_atomic_block:
        yield
        return
    postgresql = connection.vendor == "postgresql"
    quick = {"synchronous_commit": "off"} if postgresql else {"synchronous": "OFF", "cache_size": "-300000"}
    word, end = ("SET", "RESET") if postgresql else ("PRAGMA", "PRAGMA")
    with connection.cursor() as cursor:
        before = {} if postgresql else {name: _pragma(name) for name in quick}
        for name, value in quick.items():
            cursor.execute(f"{word} {name} = {value}")
        try:
            yield
        finally:
            for name in quick:
                cursor.execute(f"{end} {name}" + (f" = {before[name]}" if before else ""))


def _pragma(name: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name}")
        return int(cursor.fetchone()[0])
