"""``manage.py supervise`` with a timetable by a clock of its own: so far ahead as a file says."""

import os
import sys
import time
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "medimgr.settings")
django.setup()

from django.core.management import call_command  # noqa: E402

from monitoring.supervisor import timetable  # noqa: E402


def main() -> None:
    """Supervise; the file holds the seconds and may change at any time."""
    ahead = Path(sys.argv[1])
    timetable.LOOK_SECONDS = 0.1  # or each time that the clock is set costs the test five seconds
    defaults = timetable.Timetable.__init__.__kwdefaults__
    assert defaults is not None
    defaults["now"] = lambda: time.time() + float(ahead.read_text())
    call_command("supervise")


main()
