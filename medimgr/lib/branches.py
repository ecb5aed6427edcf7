"""The branches of the tree of problems that belong to no app; ``docs/errors.md`` lists what grows on each.

``operations.exceptions`` has the branch of operations, ``workstations.exceptions`` those of workstations and
emulators.
"""

from medimgr.lib.problems import Problem


class ConfigurationProblem(Problem, branch="Configuration"):
    """medimgr itself is not set up for this."""


class ValidationProblem(Problem, branch="Validation"):
    """What was sent or declared does not fit."""


class AuthenticationProblem(Problem, branch="Authentication and authorisation"):
    """Somebody is not known, or may not do this."""


class DatabaseProblem(Problem, branch="Database"):
    """The database does not do what it is asked for."""


class FileSystemProblem(Problem, branch="File system"):
    """A file or a directory is not there, or is not what it should be."""


class NetworkProblem(Problem, branch="Network"):
    """Something on the way to another machine, or to us."""


class SystemProblem(Problem, branch="System, services and resources"):
    """Processes, services, and what the machine or this server has too little of."""
