"""What should become of operations, in plain Python: no database, no code of medimgr but the kinds.

Each method foretells the outcome of one request, and applies it.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from operations.registry import Kind
from operations.states import ACTIVE, Status

ALLOWED = timedelta(seconds=300)
LEASE = timedelta(seconds=30)
LONGEST_LEASE = timedelta(seconds=120)
"""What seems longer is from before the clock was set back."""

RETRYABLE = (Status.FAILED, Status.CANCELLED, Status.TIMEOUT)


@dataclass
class Expected:
    """What the model says of one operation."""

    pk: int
    kind: str
    target: str
    status: Status
    created: datetime
    run_after: datetime
    deadline: datetime
    priority: int = 0
    key: str = ""
    batch: str = ""
    attempt: int = 1
    retry_of: int | None = None
    lane: tuple[str, int] = ("", 0)
    token: int = 0
    lease: datetime | None = None
    owner: str = ""
    code: str = ""
    cancel_requested: bool = False
    finished: datetime | None = None
    checkpoint: int | None = None


@dataclass
class Model:
    """All operations, and the time."""

    now: datetime
    kinds: dict[str, Kind]
    lanes: dict[str, tuple[str, int]]
    rows: dict[int, Expected] = field(default_factory=dict)
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many operations of a batch ended which way."""
    lost: list[Expected] = field(default_factory=list)
    """What is to be repeated by itself, since nobody knows its number yet."""

    # --- asking ------------------------------------------------------------------------------------
    def active_on(self, target: str) -> Expected | None:
        return next((e for e in self.rows.values() if e.target == target and e.status in ACTIVE), None)

    def made_by(self, key: str) -> Expected | None:
        return next((e for e in self.rows.values() if key and e.key == key), None)

    def same_request(
        self, e: Expected, kind: str, target: str, priority: int, run_after: datetime | None
    ) -> bool:
        """Return whether a key that made ``e`` may be used for this."""
        later = e.run_after if e.run_after > e.created else None
        asked = run_after if run_after is not None and run_after > e.created else None
        return (e.kind, e.target, e.priority, later) == (kind, target, priority, asked)

    def accepts(self, kind: str, target: str) -> bool:
        """Return whether the request is accepted; what is in its way gives way."""
        old = self.active_on(target)
        if old is None:
            return True
        if not self.kinds[kind].replaces(old.kind, old.status):
            return False
        self.end(old, Status.CANCELLED, "superseded")
        return True

    def add(
        self, pk: int, kind: str, target: str, delay: timedelta = timedelta(0), **more: object
    ) -> Expected:
        assert pk not in self.rows
        begin = self.now + delay
        self.rows[pk] = Expected(pk, kind, target, Status.PENDING, self.now, begin, begin + ALLOWED)
        self.rows[pk].lane = self.lanes.get(kind, ("", 0))
        for name, value in more.items():
            setattr(self.rows[pk], name, value)
        return self.rows[pk]

    # --- carrying out ------------------------------------------------------------------------------
    def claim(self, owner: str, limit: int) -> list[int]:
        """Return what is taken up, in order: the most urgent first, but nothing beyond a limit.

        The limit of a lane is the smallest of what is in it and what wants in; nobody overtakes in a lane.
        """
        running = [e for e in self.rows.values() if e.status == Status.RUNNING]
        of_kind = Counter(e.kind for e in running)
        lanes: dict[str, list[int]] = defaultdict(list)
        for e in running:
            lanes[e.lane[0]].append(e.lane[1])
        held_back: set[str] = set()
        taken: list[int] = []
        for e in sorted(self.rows.values(), key=lambda e: (-e.priority, e.pk)):
            # What is to begin at once does so even though the clock was set back since.
            due = e.run_after <= max(self.now, e.created)
            if e.status != Status.PENDING or not due or e.deadline <= self.now:
                continue
            at_once, (lane, in_it) = self.kinds[e.kind].at_once, e.lane
            if at_once and of_kind[e.kind] >= at_once:
                continue
            if lane and (lane in held_back or len(lanes[lane]) >= min([in_it, *lanes[lane]])):
                held_back.add(lane)
                continue
            if len(taken) == limit:
                break
            e.status, e.owner, e.token = Status.RUNNING, owner, 1
            e.lease, e.deadline = self.now + LEASE, self.now + ALLOWED
            of_kind[e.kind] += 1
            lanes[lane].append(in_it)
            taken.append(e.pk)
        return taken

    def running(self, pk: int) -> Expected | None:
        """Return it where whoever claimed it still holds it."""
        e = self.rows.get(pk)
        return e if e is not None and e.status == Status.RUNNING else None

    def renew(self) -> set[int]:
        still = {pk for pk in self.rows if self.running(pk)}
        for pk in still:
            self.rows[pk].lease = self.now + LEASE
        return still

    def end(self, e: Expected, status: Status, code: str = "") -> None:
        """End it. What its kind repeats by itself goes to ``lost``, and its batch waits for that."""
        assert e.status in ACTIVE
        e.status, e.code, e.finished, e.lease = status, code, self.now, None
        again = self.kinds[e.kind].repeatable >= e.attempt and not e.cancel_requested
        if code == "lease-lost" and again:
            self.lost.append(e)
        elif e.batch:
            self.ends[e.batch, status] += 1

    def repeated(self, pk: int) -> None:
        """Note the operation by which the first of ``lost`` is repeated."""
        old = self.lost.pop(0)
        self.add(
            pk,
            old.kind,
            old.target,
            priority=old.priority,
            batch=old.batch,
            attempt=old.attempt + 1,
            retry_of=old.pk,
            checkpoint=old.checkpoint if self.kinds[old.kind].resumable else None,
        )

    def cancel(self, e: Expected) -> bool:
        """Return whether it could be cancelled."""
        if e.status not in ACTIVE:
            return False
        e.cancel_requested = True
        if e.status == Status.PENDING:
            self.end(e, Status.CANCELLED, "cancelled")
        return True

    # --- ends that nobody asks for -----------------------------------------------------------------
    def reap(self) -> int:
        count = 0
        for e in list(self.rows.values()):
            lost = e.lease is not None and not self.now <= e.lease <= self.now + LONGEST_LEASE
            if e.status == Status.RUNNING and lost:
                self.end(e, Status.FAILED, "lease-lost")
            elif e.status in ACTIVE and e.deadline < self.now:
                self.end(e, Status.TIMEOUT, "timeout")
            else:
                continue
            count += 1
        return count

    def fail_abandoned(self, owner: str) -> int:
        lost = [e for e in self.rows.values() if e.status == Status.RUNNING and e.owner != owner]
        for e in lost:
            self.end(e, Status.FAILED, "lease-lost")
        return len(lost)

    def purge(self, older_than: datetime, keep_per_target: int) -> set[int]:
        """Return what goes: what ended before, but for those of each target that were asked for last."""
        gone = set()
        for target in {e.target for e in self.rows.values()}:
            ended = [e for e in self.rows.values() if e.target == target and e.finished is not None]
            ended.sort(key=lambda e: e.pk, reverse=True)
            gone |= {e.pk for e in ended[keep_per_target:] if e.finished and e.finished < older_than}
        for pk in gone:
            del self.rows[pk]
        for e in self.rows.values():
            if e.retry_of in gone:
                e.retry_of = None
        return gone
