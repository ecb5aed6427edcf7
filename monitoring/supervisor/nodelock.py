"""One supervisor per node and data directory, held by the kernel and so released by any death."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from medimgr.lib.branches import SystemProblem


class AlreadySupervised(SystemProblem):
    """Another supervisor runs for this node."""

    code = "already-supervised"
    status = 409
    remedy = "Stop the other one first, or give this one another MEDIMGR_NODE or MEDIMGR_DATA_DIR."

    def __init__(self, node: str, pid: int | None) -> None:
        """Take the node's name and the holder's pid, None where it has not written it yet."""
        self.node = node
        self.pid = pid
        holder = f"process {pid}" if pid else "another process"
        super().__init__(
            f"Node {node} is supervised by {holder} already. Stop that first, or give this one another "
            "MEDIMGR_NODE or MEDIMGR_DATA_DIR."
        )


class NodeLock:
    """An exclusive lock on ``<data_dir>/supervisor-<node>.lock``, from the making to :meth:`close`.

    The file stays, with the last holder's pid in it; only the lock counts. No service inherits it.
    """

    def __init__(self, data_dir: Path, node: str) -> None:
        """Take the lock. Raises AlreadySupervised where it is held, OSError where there is no such place."""
        self.path = data_dir / f"supervisor-{quote(node, safe='')}.lock"
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadySupervised(node, self._holder()) from None
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode("ascii"), 0)
        except BaseException:
            self.close()
            raise

    def _holder(self) -> int | None:
        text = os.pread(self._fd, 32, 0).strip()
        return int(text) if text.isdigit() else None

    def close(self) -> None:
        """Release the lock. Calling it again does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> "NodeLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
