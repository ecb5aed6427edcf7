"""Why somebody is not let in by token, or gets none."""

import math

from medimgr.lib.problems import Problem

_REALM = 'Bearer realm="medimgr"'


class BearerRefused(Problem):
    """The token that came with the request is not accepted."""

    code = "token-refused"
    status = 401

    @property
    def headers(self) -> dict[str, str]:
        """Return the challenge of RFC 6750, section 3."""
        return {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}


class TokenInvalid(BearerRefused):
    """This token is not valid, or not any more: log in anew, or ask for a new one."""

    code = "token-invalid"


class TokenExpired(BearerRefused):
    """This token's time is over: refresh it, or log in anew."""

    code = "token-expired"


class LoginRefused(Problem):
    """No staff account has this name and this password."""

    code = "login-refused"
    status = 401

    @property
    def headers(self) -> dict[str, str]:
        """Return the challenge that belongs to every 401."""
        return {"WWW-Authenticate": _REALM}


class TooManyLogins(Problem):
    """Too many logins failed."""

    code = "too-many-logins"
    status = 429

    def __init__(self, seconds: float) -> None:
        """Say when to try again: in ``seconds``."""
        self.retry_after = max(1, math.ceil(seconds))
        minutes = math.ceil(self.retry_after / 60)
        super().__init__(
            f"Too many logins failed. Try again in {minutes} minute{'s' if minutes > 1 else ''}, "
            "or ask an administrator to lift the lock."
        )

    @property
    def headers(self) -> dict[str, str]:
        """Return when another try makes sense."""
        return {"Retry-After": str(self.retry_after)}


class TokensNotConfigured(Problem):
    """There is no key to sign tokens with: set MEDIMGR_TOKEN_KEYS on the server and start it anew."""

    code = "tokens-not-configured"
    status = 503


class NotALogin(Problem):
    """A machine's token can't log out: it is revoked in the admin or with ``manage.py tokens revoke``."""

    code = "not-a-login"
    status = 409


class BadToken(Problem):
    """A token like this can't be issued."""

    code = "bad-token"
    status = 422


class TokenNameTaken(Problem):
    """There is a token of this name already. Names are not used twice, so that the audit stays clear."""

    code = "token-name-taken"
    status = 409


class UnknownToken(Problem):
    """There is no token of this name."""

    code = "unknown-token"
    status = 404
