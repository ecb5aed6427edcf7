"""What is wrong with a file of services."""

from medimgr.lib.file_faults import Fault, FileProblem

__all__ = ["Fault", "ImportProblem"]


class ImportProblem(FileProblem):
    """The file declares services wrongly; nothing of it was imported."""
