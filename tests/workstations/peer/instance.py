"""One simulated LDPlayer instance, and how it changes by itself as time goes by."""

from dataclasses import dataclass, field

STOPPED, STARTED, STARTING = 0, 1, 2
NO_PROCESS = -1


@dataclass
class Instance:
    """An instance as the simulated machine knows it; ``index`` -1: the next free one."""

    title: str
    index: int = -1
    android: int = STOPPED
    top_window: int = 0
    bind_window: int = 0
    pid: int = NO_PROCESS
    vbox_pid: int = NO_PROCESS
    width: int = 960
    height: int = 540
    dpi: int = 160
    cpu: int | None = None
    """As its config says; None: it has no such key before it is first modified."""
    memory_mb: int | None = None
    apps: list[str] = field(default_factory=list)
    boots_in_polls: int = 0
    """How many readings of the list still say that it is starting."""
    boots_at: float = 0.0
    """Not started before then (seconds since the epoch)."""
    boots_without_vm: bool = False
    """It will call itself started, and have no virtual machine: a zombie."""
    ends_at: float = 0.0
    """After a quit: when its processes are gone; 0: none was asked for."""
    settled_at: float = 0.0
    """Since when its files are no longer held; copied before, the copy is half."""
    in_session_0: bool = False
    """It was started by a command of WinRM's, not from the desktop."""
    whole_at: float = 0.0
    """When its copying in the background is done; 0: it is whole."""
    half: bool = False
    """A copy that failed and is never whole."""

    @classmethod
    def running(cls, title: str, **fields: object) -> "Instance":
        """Return one that has been started; the machine gives it its processes."""
        return cls(title, android=STARTED, **fields)  # type: ignore[arg-type]

    @property
    def active(self) -> bool:
        """Return whether it runs, starts, or its process still lives."""
        return self.android != STOPPED or self.pid != NO_PROCESS

    def begin(self, pid: int) -> None:
        """Take the windows and the process that a start gives it; Android is on its way."""
        self.android, self.pid = STARTING, pid
        self.top_window, self.bind_window = 65536 + pid * 2, 65538 + pid * 2
        self.ends_at = 0.0

    def end(self, now: float) -> None:
        """Lose all that a running one has."""
        self.android, self.pid, self.vbox_pid = STOPPED, NO_PROCESS, NO_PROCESS
        self.top_window = self.bind_window = 0
        self.ends_at, self.settled_at, self.in_session_0 = 0.0, now, False

    def settle(self, now: float) -> None:
        """Become what it is at ``now``: booted, ended, copied."""
        if self.ends_at and now >= self.ends_at:
            self.end(self.ends_at)
        if self.whole_at and now >= self.whole_at:
            self.whole_at = 0.0
        if self.android == STARTING and not self.boots_in_polls and now >= self.boots_at:
            self.android = STARTED
            self.vbox_pid = NO_PROCESS if self.boots_without_vm else self.pid + 1

    def line(self, columns: int) -> str:
        """Return its line of ``list2``, which quotes nothing."""
        whole = not (self.half or self.whole_at)
        fields = [self.index, self.title, self.top_window, self.bind_window]
        fields += [self.android if columns > 7 else int(self.android == STARTED), self.pid, self.vbox_pid]
        if columns > 7:
            fields += [self.width, self.height, self.dpi] if whole else [0, 0, 0]
        return ",".join(map(str, fields))
