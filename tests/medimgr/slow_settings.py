"""medimgr's own settings, with some views beside its own that take their time."""

from medimgr.settings import *  # noqa: F403

ROOT_URLCONF = "tests.medimgr.slow_urls"
