"""What goes wrong on the way to a simulated machine; each is set by a test while it runs."""

import threading
from dataclasses import dataclass, field


@dataclass
class Faults:
    """Troubles of the network and of WinRM. A number is how often: it counts down; -1 is for ever.

    Actions are the last words of WSMan's: Create, Command, Receive, Send, Signal, Delete; ``Connect`` is the
    first request on a connection, before its login.
    """

    not_http: bool = False
    """It greets as SSH does, as behind a wrong port."""
    rst_at_accept: int = 0
    rst_in_receive: int = 0
    """The connection is reset in the middle of the answer."""
    rst_in: dict[str, int] = field(default_factory=dict)
    """The same for any action."""
    rst_before: dict[str, int] = field(default_factory=dict)
    """The connection is reset when such a request has come, before anything is done about it."""
    stall_in_receive: int = 0
    stall_in: dict[str, int] = field(default_factory=dict)
    stall_seconds: float = 3600.0
    """How long a stalled request stays without an answer, which it then gets."""
    unavailable: int = 0
    """HTTP 503."""
    html: int = 0
    """An answer that is a page, with HTTP 200: some other web server."""
    redirect: int = 0
    quota_on_create: int = 0
    quota_on_command: int = 0
    access_denied: int = 0
    """The login is right, but WinRM refuses to work for this user (fault 5)."""
    expired_shell: int = 0
    """The shell that is asked for is not there any more."""
    broken_seal: int = 0
    """The encrypted answer does not decrypt."""
    chunk_bytes: int = 0
    """Output comes in pieces of so many bytes, which cut characters in two; 0: as it comes."""
    chunks_per_receive: int = 1
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def strikes(self, name: str, action: str = "") -> bool:
        """Return whether a fault happens now, and count it."""
        with self._lock:
            if action:
                counts: dict[str, int] = getattr(self, name)
                left = counts.get(action, 0)
                if left > 0:
                    counts[action] = left - 1
            else:
                left = getattr(self, name)
                if left > 0:
                    setattr(self, name, left - 1)
            return left != 0


@dataclass
class Quotas:
    """What WinRM allows one user, as Windows 10 has it by default."""

    shells: int = 30
    processes_per_shell: int = 25
    memory_mb: int = 1024
    operations: int = 1500
    """Commands in one shell, ended ones too: that counter is not taken back before the shell is deleted."""
