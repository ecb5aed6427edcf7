"""Who takes up what waits: the most urgent first, then the oldest, and no more than limits allow."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from medimgr.events.log import publish_all
from operations import registry, words
from operations.exceptions import LeaseLost
from operations.models import Operation, OperationQuerySet
from operations.states import Status
from operations.transitions import fact

LEASE_SECONDS = 30.0
_PAGE = 64
# On PostgreSQL, whoever claims what has a limit: "meli". Not the number of medimgr.events.log.
_ADVISORY_LOCK = 0x6D656C69


@dataclass(frozen=True, slots=True)
class Taken:
    """What a claimer got."""

    operations: list[Operation]
    waiting: bool
    """Whether anything of the queue waited at all, be it for later or for its turn."""


def claim(
    queue: str, owner: str, *, limit: int = 16, lease_seconds: float = LEASE_SECONDS
) -> list[Operation]:
    """Take up to ``limit`` waiting operations of ``queue``: PENDING → RUNNING. See :func:`take`."""
    return take(queue, owner, limit=limit, lease_seconds=lease_seconds).operations


def take(
    queue: str,
    owner: str,
    *,
    limit: int = 16,
    lease_seconds: float = LEASE_SECONDS,
    ahead: int = 0,
    ahead_kinds: Collection[str] = (),
    busy: bool = False,
) -> Taken:
    """Take up to ``limit`` waiting operations of ``queue``: PENDING → RUNNING.

    And up to ``ahead`` of those that are next, as long as they are of ``ahead_kinds`` and have no limit.
    Each gets a lease of ``lease_seconds`` for ``owner`` and a new lease token, and its deadline counts
    from now on. No two callers get the same operation, and no more of a kind or in a lane run than its limit
    says, however many claim at the same time. What is at its limit hides nothing that waits behind it.

    One cheap query and no lock where nothing waits, unless the caller expects that something does
    (``busy``); otherwise a handful, up to ``limit`` more where much of what waits is at different limits.
    """
    if limit < 1:
        return Taken([], True)
    limits = _Limits.declared()
    wish = _Wish(queue, owner, lease_seconds, limit, ahead, ahead_kinds)
    if busy:
        rows, others = _take_unlimited(wish, limits)
        if rows or not others:
            return Taken(rows, True)
    # Asked before any transaction: on SQLite that takes the only write lock, which an idle worker that is
    # woken by every commit must not do.
    now = timezone.now()
    pending = Operation.objects.filter(queue=queue, status=Status.PENDING).order_by("-priority", "id")
    first = list(pending.values_list("kind", "lane", "run_after", "created_at", "deadline_at")[:limit])
    if not first:
        return Taken([], False)
    waiting = [(kind, lane) for kind, lane, *_ in first]
    if any(not (run_after <= max(now, at) and end > now) for _, _, run_after, at, end in first):
        # Some are for later, or too late: look past them.
        waiting = list(Operation.objects.claimable(queue, now).values_list("kind", "lane")[:limit])
        if not waiting:
            return Taken([], True)
    if not any(lane or kind in limits.kinds for kind, lane in waiting):
        rows, others = _take_unlimited(wish, limits)
        if rows or not others:
            return Taken(rows, True)
    limits.count()
    picked = limits.pick(queue, now, limit)
    return Taken(_take_within(wish, limits, picked) if picked else [], True)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a claimer wants."""

    queue: str
    owner: str
    lease_seconds: float
    limit: int
    ahead: int
    ahead_kinds: Collection[str]


class _Limits:
    """How many of each kind and lane may still begin."""

    def __init__(self, kinds: dict[str, int]) -> None:
        self.kinds = kinds
        self._running_kinds: Counter[str] = Counter()
        self._running_lanes: Counter[str] = Counter()
        self._least: dict[str, int] = {}
        """The smallest limit of what runs in a lane."""
        self._held_back: set[str] = set()
        """Lanes in which something waits for room: whatever is behind it waits too, or it would for ever."""

    @classmethod
    def declared(cls) -> "_Limits":
        return cls({name: kind.at_once for name, kind in registry.all_kinds().items() if kind.at_once > 0})

    def count(self) -> None:
        """Count what runs. One query over what is RUNNING, which is never much."""
        # Counted here: grouped by kind, SQLite walks through the whole table in the order of kinds, and
        # does so while it holds the write lock.
        rows = Operation.objects.filter(status=Status.RUNNING).order_by()
        running = rows.values_list("kind", "lane", "lane_limit")
        self._running_kinds.clear()
        self._running_lanes.clear()
        self._least.clear()
        self._held_back.clear()
        for kind, lane, lane_limit in running:
            self._count_in(kind, lane, lane_limit)

    def _count_in(self, kind: str, lane: str, lane_limit: int) -> None:
        self._running_kinds[kind] += 1
        if lane:
            self._running_lanes[lane] += 1
            if lane_limit:
                self._least[lane] = min(lane_limit, self._least.get(lane, lane_limit))

    def admit(self, kind: str, lane: str, lane_limit: int) -> bool:
        """Count one more in, if it may begin. Asked in the order in which they wait."""
        if lane in self._held_back or (kind in self.kinds and self._running_kinds[kind] >= self.kinds[kind]):
            return False
        # The limit of a lane is the smallest of what runs in it and what wants to begin.
        limits = [limit for limit in (lane_limit, self._least.get(lane, 0)) if limit]
        if lane and limits and self._running_lanes[lane] >= min(limits):
            self._held_back.add(lane)
            return False
        self._count_in(kind, lane, lane_limit)
        return True

    def fitting(self, rows: OperationQuerySet) -> OperationQuerySet:
        """Return those of ``rows`` that are not at a limit now."""
        full = [kind for kind, most in self.kinds.items() if self._running_kinds[kind] >= most]
        if full:
            rows = rows.exclude(kind__in=full)
        # Of a lane with room for some: which of its rows fits is told by the first of them, see admit().
        shut = {lane for lane, least in self._least.items() if self._running_lanes[lane] >= least}
        shut |= self._held_back
        return rows.exclude(lane__in=shut) if shut else rows

    def pick(self, queue: str, now: datetime, limit: int) -> list[int]:
        """Return the ids of the first ``limit`` that may begin, and count them in.

        A query for each page; the next one leaves out the limits that the last one has filled.
        """
        picked: list[int] = []
        waiting = Operation.objects.claimable(queue, now)
        while len(picked) < limit:
            columns = self.fitting(waiting).values_list("pk", "kind", "lane", "lane_limit", "priority")
            page = list(columns[:_PAGE])
            for pk, kind, lane, lane_limit, _ in page:
                if len(picked) < limit and self.admit(kind, lane, lane_limit):
                    picked.append(pk)
            if len(page) < _PAGE:
                break
            # What was passed over in this page is at a limit, and stays there.
            last, _, _, _, priority = page[-1]
            waiting = waiting.filter(Q(priority__lt=priority) | Q(priority=priority, id__gt=last))
        return picked


def _take_unlimited(wish: _Wish, limits: _Limits) -> tuple[list[Operation], bool]:
    """Take what is first, unless something with a limit is among it: then return nothing, and True."""
    now = timezone.now()
    with transaction.atomic():
        first = _locked(Operation.objects.claimable(wish.queue, now))[: wish.limit + wish.ahead]
        rows = list(first)
        if any(row.lane or row.kind in limits.kinds for row in rows[: wish.limit]):
            return [], True
        last = wish.limit
        while last < len(rows) and rows[last].kind in wish.ahead_kinds and not rows[last].lane:
            if rows[last].kind in limits.kinds:
                break
            last += 1
        del rows[last:]
        _give(rows, wish, now)
        publish_all(map(fact, rows))
    return rows, False


def _take_within(wish: _Wish, limits: _Limits, picked: list[int]) -> list[Operation]:
    """Take those of ``picked`` that still wait and are still within their limits."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            # Whoever counts what runs must see what others have begun: one at a time, until the commit.
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
        now = timezone.now()
        limits.count()
        waiting = _locked(Operation.objects.claimable(wish.queue, now).filter(pk__in=picked))
        rows = [row for row in waiting if limits.admit(row.kind, row.lane, row.lane_limit)]
        _give(rows, wish, now)
        publish_all(map(fact, rows))
    return rows


def _locked(rows: OperationQuerySet) -> OperationQuerySet:
    if connection.features.has_select_for_update_skip_locked:
        return rows.select_for_update(skip_locked=True)
    return rows  # SQLite: this transaction has the only write lock


def _give(rows: Sequence[Operation], wish: _Wish, now: datetime) -> None:
    """Write the claim into rows that this transaction has locked; one UPDATE for all that are alike."""
    alike: dict[tuple[float, int], list[Operation]] = defaultdict(list)
    for row in rows:
        alike[words.deadline_seconds(row.kind), row.lease_token].append(row)
    for (seconds, token), same in alike.items():
        values: dict[str, Any] = {
            "status": Status.RUNNING,
            "started_at": now,
            "deadline_at": now + timedelta(seconds=seconds),
            "lease_owner": wish.owner,
            "lease_until": now + timedelta(seconds=wish.lease_seconds),
            "lease_token": token + 1,
        }
        held = Operation.objects.filter(
            pk__in=[row.pk for row in same], status=Status.PENDING, lease_token=token
        )
        if held.update(**values) != len(same):
            raise LeaseLost("Somebody else took an operation while it was being claimed. Try again.")
        for row in same:
            for name, value in values.items():
                setattr(row, name, value)
