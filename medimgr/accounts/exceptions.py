"""Why somebody is not let in by token, or gets none."""

import math

from medimgr.lib.branches import AuthenticationProblem, ConfigurationProblem, ValidationProblem
from medimgr.lib.login_limits import wait_in_words

_REALM = 'Bearer realm="medimgr"'


class BearerRefused(AuthenticationProblem):
    """The token that came with the request is not accepted."""

    status = 401

    @property
    def headers(self) -> dict[str, str]:
        """Return the challenge of RFC 6750, section 3."""
        return {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}


class TokenInvalid(BearerRefused):
    """This token is not valid, or not any more. Log in anew, or ask for a new one."""

    code = "token-invalid"
    remedy = (
        "Log in anew, or have the machine's token issued anew. What is wrong with this one stands in the log "
        "of the server alone: changed, revoked, of an ended login, of an account that is no active staff "
        "any more."
    )


class TokenExpired(BearerRefused):
    """The time of this token is over. Refresh it, or log in anew."""

    code = "token-expired"
    remedy = "Get the next one with /api/auth/refresh, or log in anew."


class LoginRefused(AuthenticationProblem):
    """No staff account has this name and this password."""

    code = "login-refused"
    status = 401
    remedy = (
        "Check name and password; the account has to be active and staff. Which of it is wrong is told to "
        "nobody."
    )

    @property
    def headers(self) -> dict[str, str]:
        """Return the challenge that belongs to every 401."""
        return {"WWW-Authenticate": _REALM}


class TooManyLogins(AuthenticationProblem):
    """Too many logins failed."""

    code = "too-many-logins"
    status = 429
    remedy = "Wait for as long as Retry-After says, then try with the right password."

    def __init__(self, seconds: float) -> None:
        """Say when to try again: in ``seconds``."""
        self.retry_after = max(1, math.ceil(seconds))
        super().__init__(f"Too many logins failed. Try again in {wait_in_words(seconds)}.")

    @property
    def headers(self) -> dict[str, str]:
        """Return when another try makes sense."""
        return {"Retry-After": str(self.retry_after)}


class TokensNotConfigured(ConfigurationProblem):
    """There is no key to sign tokens with. Set MEDIMGR_TOKEN_KEYS on the server and start it anew."""

    code = "tokens-not-configured"
    status = 503
    remedy = (
        "Set MEDIMGR_TOKEN_KEYS on the server and start it anew; .env.example says how. Sessions and "
        "machines' tokens work without."
    )


class NotALogin(AuthenticationProblem):
    """A machine's token can't log out. It is revoked in the admin, or with manage.py tokens revoke."""

    code = "not-a-login"
    status = 409
    remedy = "Have it revoked in the admin, or with manage.py tokens revoke."


class BadToken(ValidationProblem):
    """A token like this can't be issued."""

    code = "bad-token"
    status = 422
    remedy = "Correct what the message names."


class TokenNameTaken(ValidationProblem):
    """There is a token of this name already."""

    code = "token-name-taken"
    status = 409
    remedy = "Take another name: none is used twice, revoked or not, so that the audit stays clear."


class UnknownToken(ValidationProblem):
    """There is no token of this name."""

    code = "unknown-token"
    status = 404
    remedy = "See manage.py tokens list."
