"""medimgr's settings with the benchmark's app beside."""

from medimgr.settings import *  # noqa: F403
from medimgr.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.benchmarks.operation_peers.apps.BenchConfig"]
