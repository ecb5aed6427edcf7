"""Logs in somebody who may do everything: ``python -m ...``; prints the key of the session."""

import django


def main() -> None:
    """Make the account and its session."""
    django.setup()
    from django.contrib.auth.models import User

    from tests.events.sessions import log_in

    print(log_in(User.objects.create(username="operator", is_staff=True, is_superuser=True)))


if __name__ == "__main__":
    main()
