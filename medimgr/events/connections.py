"""The rows of open streams: taken at the connect, given back at the end, cleared when a worker dies.

Every change of the rows is one transaction that first takes one lock, so that the limits and the totals
in the events are exact, however many web workers there are. SQLite's write lock does that by itself.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count
from django.db.models.functions import Now
from django.utils import timezone

from medimgr.audit.recording import record
from medimgr.events import ledger, unseen_workers
from medimgr.events.exceptions import TooManyStreams
from medimgr.events.log import Fact, publish_all
from medimgr.events.models import Connection, Event, StreamWorker
from medimgr.events.subscription import End
from medimgr.lib.process_identity import pid_space, start_ticks

LEASE_SECONDS = 15.0
RENEW_SECONDS = 5.0
"""So often a worker writes how far its streams have got. Half of what it takes at rest is that."""

_TOLD_WITHIN = timedelta(minutes=5)

# Taken before the event log's own lock, always in this order. "medj", one after the log's.
_ADVISORY_LOCK = 0x6D65646A


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody who wants a stream."""

    token: str
    user: Any
    address: str
    page: str
    topics: Sequence[str]
    machine_token: str = ""
    """The name of the machine's token that it came with."""


def take_places(arrivals: Sequence[Arrival]) -> list[int | TooManyStreams]:
    """Insert the rows of new streams and publish them; return their primary keys, in the order given.

    In the place of a key stands why there is none, at whichever limit. Some eight queries in one transaction,
    however many come, one more where some came with machines' tokens.
    """
    if not arrivals:
        return []
    places = _take_places(arrivals)
    full = [number for number, place in enumerate(places) if isinstance(place, TooManyStreams)]
    # The dead must not keep the living out.
    if full and forget_dead_workers():
        for number, place in zip(full, _take_places([arrivals[number] for number in full]), strict=True):
            places[number] = place
    return places


@transaction.atomic
def _take_places(arrivals: Sequence[Arrival]) -> list[int | TooManyStreams]:
    _lock()
    total = Connection.objects.count()
    addresses = {arrival.address for arrival in arrivals}
    here = Connection.objects.filter(address__in=addresses).order_by().values_list("address")
    by_address = Counter(dict(here.annotate(count=Count("id"))))
    by_token = _streams_by_token({arrival.machine_token for arrival in arrivals} - {""})
    now = timezone.now()
    worker = _own_worker(now)
    places: list[int | TooManyStreams] = []
    rows: list[Connection] = []
    for arrival in arrivals:
        refusal = _refusal(
            arrival, total + len(rows), by_address[arrival.address], by_token[arrival.machine_token]
        )
        if refusal is not None:
            places.append(refusal)
            continue
        by_address[arrival.address] += 1
        if arrival.machine_token:
            by_token[arrival.machine_token] += 1
        places.append(len(rows))  # until its key is known
        rows.append(
            Connection(
                token=arrival.token,
                worker=worker,
                user=arrival.user,
                address=arrival.address,
                page=arrival.page,
                topics=list(arrival.topics),
                machine_token=arrival.machine_token,
                connected_at=now,
                last_ping_at=now,
            )
        )
    Connection.objects.bulk_create(rows)
    publish_all(_fact(row, connected=True, total=total + number) for number, row in enumerate(rows, start=1))
    return [place if isinstance(place, TooManyStreams) else rows[place].pk for place in places]


def _streams_by_token(names: set[str]) -> Counter[str]:
    if not names:
        return Counter()
    rows = Connection.objects.filter(machine_token__in=names).order_by().values_list("machine_token")
    return Counter(dict(rows.annotate(count=Count("id"))))


def _refusal(arrival: Arrival, total: int, from_here: int, with_token: int) -> TooManyStreams | None:
    if total >= settings.MEDIMGR_STREAM_MAX_CONNECTIONS:
        return TooManyStreams(
            f"{total} streams are open, as many as this installation allows "
            "(MEDIMGR_STREAM_MAX_CONNECTIONS). Close a page that is not needed, or raise the limit."
        )
    if from_here >= settings.MEDIMGR_STREAM_MAX_PER_ADDRESS:
        return TooManyStreams(
            f"{from_here} streams are open from your address {arrival.address}, as many as one may have "
            "(MEDIMGR_STREAM_MAX_PER_ADDRESS). Close a tab that is not needed, or raise the limit."
        )
    if with_token >= settings.MEDIMGR_STREAM_MAX_PER_ADDRESS:
        return TooManyStreams(
            f"{with_token} streams are open with the token {arrival.machine_token!r}, as many as one may "
            "have, from whichever addresses (MEDIMGR_STREAM_MAX_PER_ADDRESS). Close one, or raise the limit."
        )
    return None


def give_back(reasons: Mapping[str, End]) -> int:
    """Remove the rows with these tokens and publish each; return how many there were. Idempotent."""
    if not reasons:
        return 0
    with transaction.atomic():
        _lock()
        rows = Connection.objects.filter(token__in=list(reasons)).select_related("user")
        return _remove(list(rows), {row.pk: reasons[row.token] for row in rows})


def kick(by: Any, *, source: str, address: str = "", **which: Any) -> int:
    """End the streams whose rows fit ``which`` (``pk=7``, ``user__username="bob"``); return how many.

    For the user ``by``, whom the events name; the audit says whose streams they were, and that it was asked
    for by way of ``source`` from ``address``. The workers that hold the streams follow the rows. Some four
    queries in one transaction, and one for each account whose streams are ended.
    """
    with transaction.atomic():
        _lock()
        rows = list(Connection.objects.filter(**which).select_related("user"))
        streams: dict[str, list[int]] = {}
        for row in rows:
            streams.setdefault(row.user.get_username(), []).append(row.pk)
        for name, theirs in streams.items():
            record(
                "stream.kick",
                who=by.get_username(),
                source=source,
                user=by,
                address=address,
                target=f"account:{name}",
                target_name=name,
                detail=f"{'stream' if len(theirs) == 1 else 'streams'} {', '.join(map(str, theirs))}",
            )
        return _remove(rows, dict.fromkeys((row.pk for row in rows), End.KICKED), by=by.get_username())


def why_removed(keys: Iterable[int]) -> dict[int, End]:
    """Return for rows that are gone why they went, by primary key. One query.

    Whoever removes a row says so in the same transaction. Without those of which the log tells nothing any
    more, or has not within the last five minutes.
    """
    told = Event.objects.filter(
        topic="connection",
        key__in=[str(key) for key in keys],
        at__gte=timezone.now() - _TOLD_WITHIN,
        data__connected=False,
    )
    return {int(key): End.of(data.get("reason")) for key, data in told.values_list("key", "data")}


def renew_lease(own: ledger.Ledger, now: Mapping[str, Any]) -> bool:
    """Say that this process lives, what it has counted, and what is the case ``now``.

    Return False where nobody counts on it and it has nothing to tell. One update; more where its row is new
    or has gone.
    """
    if own.row is not None and _renew(own, own.row, now):
        return True
    if own.row is not None:
        own.row_went()
    row = _own_rows().first()
    if row is None and own.due():
        row = _own_worker(timezone.now())
    return row is not None and _renew(own, row.pk, now)


def _renew(own: ledger.Ledger, row: int, now: Mapping[str, Any]) -> bool:
    page = own.due()
    figures = {"counted": page, "now": now}
    renewed = bool(_own_rows().filter(pk=row).update(seen_at=Now(), figures=figures))
    if renewed:
        own.wrote(row, page)
    return renewed


def retire(own: ledger.Ledger) -> None:
    """Remove this process's row, with those of streams that it still has. For a process that ends.

    What it has counted stays in the sum of the departed, up to the last stream.
    """
    with transaction.atomic():
        _lock()  # before the row's own lock, as everywhere
        renew_lease(own, {})
        _forget(_own_rows(), End.SHUTDOWN)
    own.row_went()


def forget_worker(node: str, pid: int) -> int:
    """Remove a web worker that has ended, and its streams; return how many streams that were."""
    return _forget(StreamWorker.objects.filter(node=node, pid=pid), End.WORKER_LOST)


def forget_dead_workers() -> int:
    """Remove web workers that are gone, and their streams; return how many streams that were.

    Gone are those not seen for 15 seconds, and then not for 6 more in which this process looks (an outage
    keeps everybody from writing); at once those of this machine whose process does not exist any more.
    Two queries where all live.
    """
    here = pid_space()
    gone = [
        worker.pk
        for worker in StreamWorker.objects.defer("figures")
        if here
        and worker.pid_space == here
        and worker.node == settings.MEDIMGR_NODE
        and start_ticks(worker.pid) != worker.start_ticks
    ]
    # The database's clock on both sides: those of two machines may differ by more than a lease.
    unseen = StreamWorker.objects.filter(seen_at__lt=Now() - timedelta(seconds=LEASE_SECONDS))
    gone.extend(unseen_workers.of_this_process.gone(dict(unseen.values_list("pk", "seen_at"))))
    return _forget(StreamWorker.objects.filter(pk__in=gone), End.WORKER_LOST) if gone else 0


def own_tokens() -> dict[str, int]:
    """Return token and primary key of every row that names this process as its worker. One query."""
    return dict(Connection.objects.filter(worker__in=_own_rows()).values_list("token", "pk"))


def own_count() -> int:
    """Return how many rows name this process as their worker. One query."""
    return Connection.objects.filter(worker__in=_own_rows()).count()


def record_pings(pings: Iterable[tuple[int, int, int, int]], at: datetime) -> None:
    """Store (primary key, events, bytes, queued bytes) of streams pinged at ``at``. One executemany."""
    moment = connection.ops.adapt_datetimefield_value(at)
    values = [(moment, events, size, queued, pk) for pk, events, size, queued in pings]
    if not values:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE events_connection SET last_ping_at = %s, events_sent = %s, bytes_sent = %s, queued = %s "
            "WHERE id = %s",
            values,
        )


def record_progress(progress: Iterable[tuple[int, int, int, int]]) -> None:
    """Store (primary key, events, bytes, queued bytes) of streams between two heartbeats. One statement."""
    values = list(progress)
    if not values:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # a fifth of the time that an executemany takes there
            columns = [list(column) for column in zip(*values, strict=True)]
            cursor.execute(
                "UPDATE events_connection SET events_sent = now.events, bytes_sent = now.bytes, "
                "queued = now.queued FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]) "
                "AS now (id, events, bytes, queued) WHERE events_connection.id = now.id",
                columns,
            )
        else:
            cursor.executemany(
                "UPDATE events_connection SET events_sent = %s, bytes_sent = %s, queued = %s WHERE id = %s",
                [(events, size, queued, pk) for pk, events, size, queued in values],
            )


def _own_rows() -> "Any":
    pid = os.getpid()
    return StreamWorker.objects.filter(node=settings.MEDIMGR_NODE, pid=pid, start_ticks=start_ticks(pid) or 0)


def _own_worker(now: datetime) -> StreamWorker:
    existing: StreamWorker | None = _own_rows().first()
    if existing is not None:
        return existing
    pid = os.getpid()
    return StreamWorker.objects.create(
        node=settings.MEDIMGR_NODE,
        pid=pid,
        start_ticks=start_ticks(pid) or 0,
        pid_space=pid_space(),
        started_at=now,
        seen_at=Now(),
    )


def _forget(workers: "Any", reason: End) -> int:
    with transaction.atomic():
        _lock()
        # Locked: what one of them writes now would be lost.
        going = list(workers.select_for_update())
        rows = list(Connection.objects.filter(worker__in=going).select_related("user"))
        removed = _remove(rows, dict.fromkeys((row.pk for row in rows), reason))
        ledger.depart(going, Counter(row.worker_id for row in rows), reason.value)
        StreamWorker.objects.filter(pk__in=[worker.pk for worker in going]).delete()
    return removed


def _remove(rows: list[Connection], reasons: Mapping[int, End], *, by: str = "") -> int:
    if not rows:
        return 0
    total = Connection.objects.count()
    Connection.objects.filter(pk__in=[row.pk for row in rows]).delete()
    publish_all(
        _fact(row, connected=False, total=total - number, reason=reasons[row.pk].value, by=by)
        for number, row in enumerate(rows, start=1)
    )
    return len(rows)


def _fact(row: Connection, *, connected: bool, total: int, reason: str = "", by: str = "") -> Fact:
    # Never the token: whoever has it may end the stream.
    data = {
        "id": row.pk,
        "connected": connected,
        "total": total,
        "user": row.user.get_username(),
        "address": row.address,
        "page": row.page,
    }
    if not connected:
        data["reason"] = reason
    if by:
        data["by"] = by
    return Fact("connection", str(row.pk), data)


def _lock() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
