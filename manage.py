#!/usr/bin/env python3
"""Django's command line for medimgr."""

import os
import sys


def main() -> None:
    """Run the command named in the arguments."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "medimgr.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            "medimgr's packages are not installed for this Python. "
            "Run script/bootstrap, then use .venv/bin/python manage.py."
        ) from error
    from django.core.exceptions import ImproperlyConfigured

    from medimgr import last_words

    try:
        last_words.run(lambda: execute_from_command_line(sys.argv), sys.argv)
    except ImproperlyConfigured as error:
        # The message says what is wrong and what to do; a traceback would bury it.
        raise SystemExit(f"medimgr cannot start: {error}") from None


if __name__ == "__main__":
    main()
