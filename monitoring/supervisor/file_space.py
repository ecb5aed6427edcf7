"""Gives back the space of the beginning of a file that is still being written: Linux's fallocate(2).

To collapse takes bytes off, and what follows moves up, in one step (ext4, xfs). To punch leaves a hole,
which reads as zeros and takes no space (those, tmpfs, btrfs and most others). Both want whole blocks.
"""

import ctypes
import errno
import os
import tempfile
from pathlib import Path

_KEEP_SIZE, _PUNCH_HOLE, _COLLAPSE_RANGE = 0x01, 0x02, 0x08
_WRITE_AND_WAIT = 0x01 | 0x02 | 0x04
_LEAST_BLOCK = 4096
_PIECE = 4 * 1024 * 1024
"""The kernel keeps writers out while it punches: this much at a time takes a millisecond or two."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_libc.sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def block_size(fd: int) -> int:
    """Return what a cut has to be a multiple of. Raises OSError."""
    return max(_LEAST_BLOCK, os.fstatvfs(fd).f_bsize)


def write_out(fd: int, length: int) -> None:
    """Have the first ``length`` bytes on the disk before the file is locked for a cut, as far as possible.

    Otherwise the kernel writes them while it keeps writers out.
    """
    _libc.sync_file_range(fd, 0, length, _WRITE_AND_WAIT)


def punch(fd: int, begin: int, end: int) -> None:
    """Make the bytes from ``begin`` to ``end`` a hole. Raises OSError; EOPNOTSUPP where that cannot be."""
    for start in range(begin, end, _PIECE):
        _fallocate(fd, _PUNCH_HOLE | _KEEP_SIZE, start, min(_PIECE, end - start))


def collapse(fd: int, length: int) -> bool:
    """Take the first ``length`` bytes off; return whether the file system can. Raises OSError."""
    try:
        _fallocate(fd, _COLLAPSE_RANGE, 0, length)
    except OSError as error:
        # EINVAL: it can, but not by this length; then a hole has to do.
        if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ETXTBSY):
            return False
        raise
    return True


def begins_with_hole(fd: int, length: int) -> bool:
    """Return whether nothing is stored of the first ``length`` bytes. Raises OSError."""
    try:
        return os.lseek(fd, 0, os.SEEK_DATA) >= length
    except OSError as error:
        if error.errno == errno.ENXIO:  # not a byte is stored
            return True
        raise


def _fallocate(fd: int, mode: int, begin: int, length: int) -> None:
    while _libc.fallocate(fd, mode, begin, length):
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


_can_punch: dict[int, bool] = {}


def can_punch(directory: Path) -> bool:
    """Return whether files in ``directory`` can be given holes that are seen as such. Raises OSError.

    Tried once for each file system, on a file without a name.
    """
    device = directory.stat().st_dev
    if device not in _can_punch:
        with tempfile.TemporaryFile(dir=directory) as trial:
            fd = trial.fileno()
            size = block_size(fd)
            os.write(fd, b"x" * 2 * size)
            try:
                punch(fd, 0, size)
                # Where holes are not reported, every byte counts as data.
                _can_punch[device] = begins_with_hole(fd, size) and not begins_with_hole(fd, 2 * size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                    raise
                _can_punch[device] = False
    return _can_punch[device]
