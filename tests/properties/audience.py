"""People whose rights and limits change at random, and an own idea of who may see what."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.utils import timezone

from medimgr.accounts.models import AccountScope
from tests.events.limits import limit
from tests.events.sessions import log_in

VIEW = {
    "service": "view_service",
    "node": "view_node",
    "operation": "view_operation",
    "batch": "view_operation",
    "workstation": "view_workstation",
    "emulator": "view_emulator",
    "connection": "view_connection",
}
"""Topic to the permission that opens it."""
FREE = frozenset({"node", "connection"})
"""Topics of which a limit hides nothing."""
PLACES = ("a", "b", "c")
"""What people are limited to, and where things are: groups of services, here."""
TAIL = "tail_service"
RIGHTS = (*dict.fromkeys(VIEW.values()), TAIL)
GROUPS = ("night-shift", "guests")


@dataclass
class Person:
    """Somebody with an account, as they should be."""

    name: str
    sessions: list[str] = field(default_factory=list)
    """The keys that are good."""
    rights: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    active: bool = True
    staff: bool = True
    superuser: bool = False
    limits: frozenset[str] | None = None
    """The places that the account is limited to; None for all there are."""

    @property
    def places(self) -> frozenset[str] | None:
        """Return what the person is limited to at present; None for nothing."""
        return None if self.superuser else self.limits


class Audience:
    """Everybody, in the database and as they should be. All of it inside ``instance.database()``."""

    def __init__(self, dice: random.Random, names: tuple[str, ...]) -> None:
        """Make the people and the groups, with random rights and two sessions each."""
        self._dice = dice
        self.people = [Person(name) for name in names]
        self.groups: dict[str, set[str]] = {name: set() for name in GROUPS}
        for name in GROUPS:
            Group.objects.create(name=name)
            self._change_group(name)
        for person in self.people:
            User.objects.create_user(person.name, password="x", is_staff=True)
            self._change_rights(person)
            self._change_limits(person)
            self._log_in(person)
            self._log_in(person)

    # --- who may -----------------------------------------------------------------------------------
    def may(self, person: Person, right: str) -> bool:
        """Return whether the person has this permission at present."""
        granted = person.rights.union(*(self.groups[name] for name in person.groups))
        return person.active and person.staff and (person.superuser or right in granted)

    def may_listen(self, person: Person, session: str, rights: set[str]) -> bool:
        """Return whether a stream in this session that needs these permissions may be."""
        signed_in = session in person.sessions and person.active and person.staff
        return signed_in and all(self.may(person, right) for right in rights)

    # --- what changes ------------------------------------------------------------------------------
    def change_something(self) -> str:
        """Change one thing about one person or group; return what it was."""
        shut_out = [one for one in self.people if not (one.active and one.staff and one.sessions)]
        if shut_out and self._dice.random() < 0.4:
            return self._let_in(shut_out[0])
        person = self._dice.choice(self.people)
        changes = [
            (5, self._change_rights),
            (3, self._change_groups),
            (2, self._log_out),
            (1, self._let_a_session_expire),
            (2, self._log_in),
            (1, self._change_password),
            (4, self._change_limits),
            (2, self._toggle("active")),
            (2, self._toggle("staff")),
            (1, self._toggle("superuser")),
            (2, lambda _: self._change_group(self._dice.choice(GROUPS))),
        ]
        (change,) = self._dice.choices([c for _, c in changes], [weight for weight, _ in changes])
        return f"{person.name}: {change(person)}"

    def _change_rights(self, person: Person) -> str:
        person.rights = {right for right in RIGHTS if self._dice.random() < 0.6}
        self._user(person).user_permissions.set(Permission.objects.filter(codename__in=person.rights))
        return f"has {sorted(person.rights)}"

    def _change_limits(self, person: Person) -> str:
        user = self._user(person)
        if self._dice.random() < 0.3:
            person.limits = None
            AccountScope.objects.filter(user=user).delete()
            return "is limited to nothing"
        person.limits = frozenset(place for place in PLACES if self._dice.random() < 0.5)
        limit(user, *sorted(person.limits))
        return f"is limited to {sorted(person.limits)}"

    def _change_groups(self, person: Person) -> str:
        person.groups = {name for name in GROUPS if self._dice.random() < 0.4}
        self._user(person).groups.set(Group.objects.filter(name__in=person.groups))
        return f"is in {sorted(person.groups)}"

    def _change_group(self, name: str) -> str:
        self.groups[name] = {right for right in RIGHTS if self._dice.random() < 0.3}
        permissions = Permission.objects.filter(codename__in=self.groups[name])
        Group.objects.get(name=name).permissions.set(permissions)
        return f"the group {name} has {sorted(self.groups[name])}"

    def _toggle(self, what: str) -> Any:
        def toggle(person: Person) -> str:
            setattr(person, what, not getattr(person, what))
            User.objects.filter(username=person.name).update(**{f"is_{what}": getattr(person, what)})
            return f"{what} is {getattr(person, what)}"

        return toggle

    def _let_in(self, person: Person) -> str:
        person.active = person.staff = True
        User.objects.filter(username=person.name).update(is_active=True, is_staff=True)
        return f"{person.name}: is let in, {self._log_in(person)}"

    def _log_in(self, person: Person) -> str:
        person.sessions.append(log_in(self._user(person)))
        return "logged in"

    def _log_out(self, person: Person) -> str:
        if person.sessions:
            Session.objects.filter(session_key=person.sessions.pop(0)).delete()
        return "logged out of one session"

    def _let_a_session_expire(self, person: Person) -> str:
        if person.sessions:
            past = timezone.now() - timedelta(seconds=1)
            Session.objects.filter(session_key=person.sessions.pop(0)).update(expire_date=past)
        return "one session expired"

    def _change_password(self, person: Person) -> str:
        user = self._user(person)
        user.set_password(str(self._dice.random()))
        user.save()
        person.sessions.clear()
        return "changed the password"

    def _user(self, person: Person) -> User:
        return User.objects.get(username=person.name)
