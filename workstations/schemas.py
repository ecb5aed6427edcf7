"""The shapes in which the API gives workstations and emulators, and takes what is declared of them."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr, StringConstraints

from medimgr.lib.api_parameters import Page, RowId, Text
from workstations.declaring import DECLARED
from workstations.models import Workstation
from workstations.states import Auth, EmulatorState, Launch, Reachability

Line = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]
Lines = Annotated[str, StringConstraints(max_length=200_000, pattern=r"^[^\x00]*$")]
Password = Annotated[SecretStr, Field(max_length=10_000)]


class Declaration(BaseModel, extra="forbid"):
    """What may be said of a workstation; what is left out stays as it is, or is the default of a new one."""

    name: Line | None = None
    host: Line | None = None
    port: int | None = None
    tls: bool | None = None
    ca_certificates: Lines | None = None
    auth: Auth | None = None
    username: Line | None = None
    password: Password | None = Field(
        None,
        description="Stored encrypted, and never shown again. Empty: takes it away. null: as it is, but "
        "taken away where host or port change or TLS is turned off.",
    )
    ldconsole_path: Line | None = None
    code_page: Line | None = None
    launch: Launch | None = None
    desktop_user: Line | None = None
    boot_seconds: int | None = None
    concurrency: int | None = None
    tags: list[Text] | None = None
    polled: bool | None = None

    def fields(self) -> dict[str, Any]:
        """Return what is said, without the password."""
        said = {name: value for name in DECLARED if (value := getattr(self, name)) is not None}
        if "tags" in said:
            said["tags"] = sorted(set(said["tags"]))
        return said

    def secret(self) -> str | None:
        """Return the password; None where nothing is said of it."""
        return None if self.password is None else self.password.get_secret_value()


class NewWorkstation(Declaration):
    """A new workstation."""

    name: Line
    host: Line


class WorkstationShape(BaseModel, extra="allow"):
    """One workstation: what is declared, and what the last look at it said. Never its password."""

    id: int
    name: str
    host: str
    port: int
    tls: bool
    tags: list[str]
    polled: bool
    status: Reachability
    status_since: str | None
    last_error: str
    error_code: str
    seen_at: str | None
    read_at: str | None = Field(description="When its emulators were last read.")
    emulators: dict[str, int] = Field(description="How many of its emulators are in which state.")


class WorkstationDetail(WorkstationShape):
    """One workstation with all that is declared."""

    auth: Auth
    username: str
    has_password: bool
    ca_certificates: str
    ldconsole_path: str
    code_page: str
    launch: Launch
    desktop_user: str
    boot_seconds: int
    concurrency: int
    last_event_id: int


class WorkstationList(BaseModel):
    """Workstations by name, and where the event stream goes on from."""

    count: int = Field(description="How many fit the filters, on all pages of the list together.")
    items: list[WorkstationShape]
    last_event_id: int


class WorkstationFilter(Page):
    """Which workstations are wanted; all that is given has to fit."""

    status: Reachability | None = None
    tag: Text = ""
    search: Text = Field("", description="Part of its name or host.")
    polled: bool | None = None


class SystemShape(BaseModel):
    """What a workstation said of itself when it was last asked."""

    system: dict[str, Any] | None = Field(description="null: it has not been asked yet.")


class EmulatorShape(BaseModel, extra="allow"):
    """One emulator, as its workstation's list was last read."""

    id: int
    workstation: int
    index: int
    title: str
    state: EmulatorState
    state_since: str | None
    pid: int | None
    width: int | None
    height: int | None
    dpi: int | None
    cpu: int | None
    memory_mb: int | None
    adb_serial: str = Field(description="How adb names it: by convention, not by guarantee.")
    seen_at: str | None


class EmulatorList(BaseModel):
    """Emulators by workstation and index, and where the event stream goes on from."""

    count: int = Field(description="How many fit the filters, on all pages of the list together.")
    items: list[EmulatorShape]
    last_event_id: int


class EmulatorFilter(Page):
    """Which emulators are wanted; all that is given has to fit."""

    workstation: RowId | None = None
    tag: Text = Field("", description="Of its workstation.")
    state: EmulatorState | None = None
    search: Text = Field("", description="Part of its title.")


class SeenChange(BaseModel, extra="allow"):
    """One change that was seen."""

    id: int
    at: str
    index: int | None = Field(description="Of the emulator; null: it is about the workstation.")
    title: str
    what: str
    before: str
    after: str
    operation: int | None = Field(description="What changed it; null: the polling saw it.")


class SeenChanges(BaseModel):
    """Changes, newest first."""

    count: int
    items: list[SeenChange]


def described(row: Workstation) -> dict[str, Any]:
    """Return a workstation with its whole declaration but for the password. No query."""
    return row.public() | {name: getattr(row, name) for name in DECLARED} | {"has_password": row.has_password}
