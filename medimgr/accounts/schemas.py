"""What the API of logins takes and gives."""

from datetime import datetime
from typing import Annotated, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, SecretStr, StringConstraints

LONGEST_PASSWORD = 4096


class Credentials(Schema):
    """A name and a password."""

    model_config = ConfigDict(json_schema_extra={"example": {"username": "alice", "password": "…"}})

    username: Annotated[str, StringConstraints(min_length=1, max_length=150, pattern=r"^[^\x00]*$")]
    password: SecretStr = Field(min_length=1, max_length=LONGEST_PASSWORD)


class RefreshToken(Schema):
    """The newest refresh token of a login."""

    refresh: SecretStr = Field(min_length=1, max_length=4096)


class MaybeRefreshToken(Schema):
    """The newest refresh token of a login, where no access token comes with the request."""

    refresh: SecretStr | None = Field(None, max_length=4096)


class Tokens(Schema):
    """The tokens of a login. Send ``access`` in the header Authorization, behind ``Bearer``."""

    access: str
    refresh: str = Field(description="Good once: it gets the next pair.")
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds for which the access token is good.")
    refresh_expires_in: int = Field(description="Seconds for which the refresh token is good.")


class Reach(Schema):
    """Which services and workstations somebody may act on."""

    everything: bool = Field(description="Whether there is no limit.")
    groups: list[str] = Field(description="Groups of services, in lower case.")
    tags: list[str] = Field(description="Tags of workstations, in lower case.")
    sees_everything: bool = Field(description="Whether all the rest may be looked at.")


class OwnToken(Schema):
    """The token that came with the request."""

    kind: Literal["login", "machine"]
    name: str = Field(description="What a machine's token is called; empty for a login.")
    expires_at: datetime | None = Field(description="Null: never.")


class Me(Schema):
    """Who asks, and what he may do with what he came with."""

    username: str
    full_name: str
    is_superuser: bool
    roles: list[str] = Field(description="The groups that the account is in.")
    permissions: list[str] = Field(description="As in monitoring.start_service.")
    scope: Reach
    token: OwnToken | None = Field(description="Null for a session.")
