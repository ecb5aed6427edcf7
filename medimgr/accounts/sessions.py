"""Logins at the page: how long they last at most, and how long while nobody does anything.

Django's sessions in the database, with two ends. A session ends ``MEDIMGR_SESSION_MAX_AGE_SECONDS`` after its
login, whatever happens; and, where ``MEDIMGR_SESSION_IDLE_SECONDS`` is not 0, so long after the last page or
action. A page that is only left open does nothing. The row's ``expire_date`` is the earlier end, so whoever
looks at that alone (streams do) knows both.
"""

import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone

BEGAN = "medimgr_began"
_TENTH = 0.1
"""The row is written when so much of the idle time has passed, not at each request."""


class SessionStore(DatabaseStore):
    """A session that ends by its age and by idleness. Named as Django's, whose signature goes by the name."""

    @property
    def _whole(self) -> Any:
        return self  # its types name no part of Django's that is not for callers

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Return for how many seconds more the cookie is good: the session's whole remaining age."""
        began = self.get(BEGAN)
        if not isinstance(began, int | float):
            return int(super().get_expiry_age(**kwargs))
        return max(0, int(began + settings.SESSION_COOKIE_AGE - time.time()))

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        """Return when it ends, if nothing is done any more."""
        return timezone.now() + timedelta(seconds=_at_most_idle(self.get_expiry_age()))

    async def aget_expiry_age(self, **kwargs: Any) -> int:
        """See :meth:`get_expiry_age`."""
        await self._whole._aget_session()
        return self.get_expiry_age(**kwargs)

    async def aget_expiry_date(self, **kwargs: Any) -> datetime:
        """See :meth:`get_expiry_date`."""
        await self._whole._aget_session()
        return self.get_expiry_date(**kwargs)

    def load(self) -> dict[str, Any]:
        """Read it, and note that somebody does something. One query, now and then two."""
        row = self._whole._get_session_from_db()
        if row is None:
            return {}
        data: dict[str, Any] = self.decode(row.session_data)
        later = _later_end(row.expire_date, data)
        if later is not None:
            self.model.objects.filter(session_key=row.session_key).update(expire_date=later)
        return data

    async def aload(self) -> dict[str, Any]:
        """See :meth:`load`."""
        row = await self._whole._aget_session_from_db()
        if row is None:
            return {}
        data: dict[str, Any] = self.decode(row.session_data)
        later = _later_end(row.expire_date, data)
        if later is not None:
            await self.model.objects.filter(session_key=row.session_key).aupdate(expire_date=later)
        return data


def _at_most_idle(seconds: float) -> float:
    idle: float = settings.MEDIMGR_SESSION_IDLE_SECONDS
    return min(seconds, idle) if idle else seconds


def _later_end(end: datetime, data: dict[str, Any]) -> datetime | None:
    """Return when a session that is in use is to end instead, None where that makes too little difference."""
    idle: float = settings.MEDIMGR_SESSION_IDLE_SECONDS
    began = data.get(BEGAN)
    if not idle or not isinstance(began, int | float):
        return None
    later = timezone.now() + timedelta(
        seconds=_at_most_idle(began + settings.SESSION_COOKIE_AGE - time.time())
    )
    return later if (later - end).total_seconds() > idle * _TENTH else None


def note_the_beginning(sender: Any, request: Any, user: Any, **_signal: Any) -> None:  # noqa: ARG001
    """Write down when a login began. Answers Django's ``user_logged_in``; a login by API has no session."""
    session = getattr(request, "session", None)
    if session is not None and session.get(SESSION_KEY) == str(user.pk):
        session[BEGAN] = int(time.time())
