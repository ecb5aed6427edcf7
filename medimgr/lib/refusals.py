"""Why somebody is not let do something, whoever asks and whatever it is."""

from medimgr.lib.branches import AuthenticationProblem


class NotLoggedIn(AuthenticationProblem):
    """Nobody is logged in."""

    code = "not-logged-in"
    status = 401
    remedy = (
        "Log in on the page, or send a bearer token. A session ends when it is old or its password changes."
    )

    @property
    def headers(self) -> dict[str, str]:
        """Return the one way in that has a registered name; a session cookie has none."""
        return {"WWW-Authenticate": 'Bearer realm="medimgr"'}


class NotAllowed(AuthenticationProblem):
    """You may not do this."""

    code = "not-permitted"
    status = 403
    remedy = "Ask an administrator for the permission that the message names, or for a role that has it."

    @classmethod
    def for_want_of(cls, wanted: str) -> "NotAllowed":
        """Return the refusal of somebody who lacks the permission ``wanted``."""
        return cls(
            f"This needs a staff account with the permission {wanted!r}. Ask an administrator to grant it."
        )


class OutOfReach(AuthenticationProblem):
    """This is not among what your account may act on."""

    code = "out-of-reach"
    status = 403
    remedy = "Ask an administrator to widen the scope of the account or of the token, or to do it."


class CsrfFailed(AuthenticationProblem):
    """The request did not prove that it comes from a page of medimgr."""

    code = "csrf-failed"
    status = 403
    remedy = "Reload the page and try again. A program sends the csrftoken cookie as X-CSRFToken."
