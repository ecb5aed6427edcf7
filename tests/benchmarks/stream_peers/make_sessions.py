"""Logs in people who may see services: ``python -m ... PEOPLE SESSIONS``; prints the sessions' cookies."""

import sys

import django


def main() -> None:
    """Make them, spread evenly over the people."""
    django.setup()
    from django.conf import settings
    from django.contrib.auth.models import Permission, User

    from tests.events.sessions import log_in

    people, sessions = int(sys.argv[1]), int(sys.argv[2])
    view = Permission.objects.get(codename="view_service")
    users = []
    for index in range(people):
        user = User.objects.create(username=f"operator-{index}", is_staff=True)
        user.user_permissions.add(view)
        users.append(user)
    for index in range(sessions):
        print(f"{settings.SESSION_COOKIE_NAME}={log_in(users[index % people])}")


if __name__ == "__main__":
    main()
