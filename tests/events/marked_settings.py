"""medimgr's settings with middleware of somebody else."""

from medimgr.settings import *  # noqa: F403
from medimgr.settings import MIDDLEWARE

MIDDLEWARE = [*MIDDLEWARE, "tests.events.marking.marking"]
