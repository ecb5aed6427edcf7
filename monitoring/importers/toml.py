"""Imports services from a TOML file: all of it or, when anything is wrong, nothing.

``monitoring/demo/services.toml`` is the annotated example. Its form is read in ``toml_reading``.
"""

from pathlib import Path

from monitoring.importers.faults import ImportProblem
from monitoring.importers.saving import Change, save
from monitoring.importers.sources import read_file
from monitoring.importers.toml_reading import read

__all__ = ["Change", "ImportProblem", "import_services"]


def import_services(path: Path, *, node: str, dry_run: bool = False) -> list[Change]:
    """Declare the services of the file on ``node``; return what changed, in the file's order.

    Raises ImportProblem with every fault found, and then nothing was written. See ``saving.save``.
    """
    return save(read(read_file(path)), node=node, dry_run=dry_run)
