"""The supervisor's memory of what it has not been able to write yet: ordered, coalesced, bounded.

The loop puts rows in and never waits; the store's thread takes them out. While the database is away
only the newest status of each service is kept, and history up to a limit, with a count of what was lost.
"""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from monitoring.supervisor.records import Note, Progress, RunRow, StatusRow, Step, TransitionRow

HISTORY_LIMIT = 20_000
STEPS_LIMIT = 50
"""So many steps of one operation are kept for its log while nothing can be written."""


@dataclass(slots=True)
class Batch:
    """Writes in the order in which they belong, for one transaction."""

    statuses: dict[str, StatusRow] = field(default_factory=dict)
    """By service key, the newest alone; a key stands where its first change stood."""
    runs: dict[str, RunRow] = field(default_factory=dict)
    """By run id, the newest alone. Earlier runs stand first: an old run ends before a new one begins."""
    transitions: deque[TransitionRow] = field(default_factory=deque)
    notes: list[Note] = field(default_factory=list)
    workers: list[int] = field(default_factory=list)
    """The pids of web workers that have ended, with all of their streams."""
    tick: dict[str, list[float]] | None = None
    problem: str | None = None
    lost: int = 0
    """Transitions and ended runs that were dropped, since there were too many."""

    def __bool__(self) -> bool:
        return bool(
            self.statuses
            or self.runs
            or self.transitions
            or self.notes
            or self.workers
            or self.tick is not None
            or self.problem is not None
        )

    def clear_rows(self) -> None:
        """Forget all but the notes and the web workers: it has been written."""
        self.statuses, self.runs, self.transitions = {}, {}, deque()
        self.tick, self.problem, self.lost = None, None, 0

    def singly(self) -> Iterator["Batch"]:
        """Return the rows as batches of one, in order."""
        for run_id, run in self.runs.items():
            yield Batch(runs={run_id: run})
        for transition in self.transitions:
            yield Batch(transitions=deque([transition]))
        for key, status in self.statuses.items():
            yield Batch(statuses={key: status})
        yield Batch(tick=self.tick, problem=self.problem)

    def add(self, later: "Batch", limit: int) -> None:
        """Append ``later``, and drop the oldest history beyond ``limit`` rows of a kind."""
        self.statuses.update(later.statuses)
        self.runs.update(later.runs)
        self.transitions.extend(later.transitions)
        self.notes = _newest_progress([*self.notes, *later.notes])
        self.workers += later.workers
        self.tick = later.tick if later.tick is not None else self.tick
        self.problem = later.problem if later.problem is not None else self.problem
        self.lost += later.lost
        while len(self.transitions) > limit:
            self.transitions.popleft()
            self.lost += 1
        if len(self.runs) > limit:
            ended = [run_id for run_id, run in self.runs.items() if run.ended_at is not None]
            for run_id in ended[: len(self.runs) - limit]:
                del self.runs[run_id]
                self.lost += 1


def _newest_progress(notes: list[Note]) -> list[Note]:
    """Leave out progress that a later note about the same operation has made old, but for its last steps."""
    last = {note.operation: index for index, note in enumerate(notes)}
    steps: dict[int, tuple[Step, ...]] = {}
    kept: list[Note] = []
    for index, note in enumerate(notes):
        if isinstance(note, Progress) and last[note.operation] != index:
            steps[note.operation] = (*steps.get(note.operation, ()), *note.steps)[-STEPS_LIMIT:]
        else:
            kept.append(replace(note, steps=(*steps.pop(note.operation, ()), *note.steps)))
    return kept


class WriteQueue:
    """What is waiting to be written. Safe between the loop and the store's thread."""

    def __init__(self, limit: int = HISTORY_LIMIT) -> None:
        """Keep at most ``limit`` transitions and as many runs."""
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting = Batch()
        self.put_count = 0
        """How many rows have been put in, ticks apart."""
        self.bell = threading.Event()
        """Set whenever something was put in."""

    def put(self, *rows: StatusRow | RunRow | TransitionRow | Note) -> None:
        """Add rows, all to the same batch. Never blocks for longer than an append takes."""
        with self._lock:
            self.put_count += len(rows)
            for row in rows:
                if isinstance(row, StatusRow):
                    self._waiting.statuses[row.key] = row
                elif isinstance(row, RunRow):
                    self._waiting.runs[row.run_id] = row
                elif isinstance(row, TransitionRow):
                    self._waiting.transitions.append(row)
                else:
                    self._waiting.notes.append(row)
            if len(self._waiting.transitions) > self._limit or len(self._waiting.runs) > self._limit:
                self._waiting.add(Batch(), self._limit)
        self.bell.set()

    def put_ended_worker(self, pid: int) -> None:
        """Add that a web worker has ended."""
        with self._lock:
            self._waiting.workers.append(pid)
        self.bell.set()

    def put_tick(self, figures: dict[str, list[float]]) -> None:
        """Replace the measurements."""
        with self._lock:
            self._waiting.tick = figures
        self.bell.set()

    def put_problem(self, problem: str) -> None:
        """Replace what is wrong with the node; empty for nothing."""
        with self._lock:
            self._waiting.problem = problem
        self.bell.set()

    def waiting(self) -> bool:
        """Return whether anything waits."""
        with self._lock:
            return bool(self._waiting)

    def take(self) -> Batch:
        """Return all that waits and start over."""
        with self._lock:
            taken, self._waiting = self._waiting, Batch()
        return taken

    def give_back(self, batch: Batch) -> None:
        """Put what could not be written in front of what has come since."""
        with self._lock:
            batch.add(self._waiting, self._limit)
            self._waiting = batch
