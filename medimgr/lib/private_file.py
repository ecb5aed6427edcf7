"""Writes a file that nobody else is to read, whole or not at all."""

import os
from pathlib import Path

from medimgr.lib.branches import FileSystemProblem


class FileInTheWay(FileSystemProblem):
    """The file cannot be written."""

    code = "file-in-the-way"
    status = 409
    remedy = "Give --overwrite, another name, or a directory that this user may write to."


def write_private_file(path: Path, text: str, *, overwrite: bool) -> None:
    """Write ``text`` to ``path``, readable for its owner alone, whole or not at all. Raises FileInTheWay."""
    if path.exists() and not overwrite:
        raise FileInTheWay(f"{path} exists already. Give --overwrite to replace it, or another name.")
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileInTheWay(f"{path} cannot be written: {error.strerror}.") from None
