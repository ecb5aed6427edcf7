"""``manage.py supervise --leave-running`` with a bug: it takes nothing over that a predecessor has left."""

import importlib
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "medimgr.settings")
django.setup()

from django.core.management import call_command  # noqa: E402

from monitoring.supervisor.journal import RunJournal  # noqa: E402
from monitoring.supervisor.marked import Marks  # noqa: E402


def main() -> None:
    """Supervise."""
    adoption = importlib.import_module("monitoring.supervisor.adoption")
    vars(adoption)["find_marked"] = lambda *args: Marks({}, ())
    RunJournal.load = lambda self: {}  # type: ignore[method-assign]
    call_command("supervise", "--leave-running")


main()
