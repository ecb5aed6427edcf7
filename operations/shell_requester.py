"""Who sits at the shell."""

from medimgr.lib.shell_name import shell_name
from operations.requester import Requester


def requester() -> Requester:
    """Return the login name of this process's account, with whom it acts for under sudo."""
    return Requester(name=shell_name(), source="command")
