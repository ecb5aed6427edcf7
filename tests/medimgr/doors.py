"""Every door of medimgr, and who may go through it: the table that ``test_matrix`` holds them to.

It is written by hand and not computed from ``may()``: it says what is meant. A door that is not in it fails
the test.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from medimgr.lib.roles import Role

ANYBODY, LOGGED_IN, SUPERUSER = "anybody", "logged in", "superuser"
VIEWER, OPERATOR, ADMINISTRATOR = Role.VIEWER, Role.OPERATOR, Role.ADMINISTRATOR
Reach = Literal["row", "list", "each", "everything", "free"]
"""What a limit does at a door.

``row``: the door is about one row, and what is out of sight is not there. ``list``: what is out of sight is
not in it. ``each``: of the targets named, each is judged on its own. ``everything``: only for who reaches
everything. ``free``: what it shows belongs to no scope.
"""


@dataclass(frozen=True)
class Door:
    """One verb at one address. ``{...}`` in the address and the body is what the world calls that row."""

    method: str
    address: str
    least: str
    """The least role that opens it, or one of the words above."""
    reach: Reach = "free"
    body: dict[str, Any] | None = None
    opened: tuple[int, ...] = (200,)
    """The statuses of somebody who is let in."""
    looks: bool = False
    """Whether it only looks: who may look at the rest, though not touch it, is let in."""
    query: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.address}"


def looking(address: str, least: str = VIEWER, reach: Reach = "row", **more: Any) -> Door:
    """Return a door that only looks."""
    return Door("GET", address, least, reach, looks=True, **more)


def acting(address: str, least: str = OPERATOR, reach: Reach = "row", body: Any = None, **more: Any) -> Door:
    """Return a door behind which something is done."""
    return Door("POST", address, least, reach, {} if body is None else body, **{"opened": (202,)} | more)


_SERVICE = "/api/services/{service}"
_WORKSTATION = "/api/workstations/{workstation}"
_EMULATOR = "/api/emulators/{emulator}"
_OPERATION = "/api/operations/{operation}"
_BATCH = "/api/operations/batches/{batch}"

API: tuple[Door, ...] = (
    looking("/api/health", ANYBODY, "free"),
    looking("/api/version", ANYBODY, "free"),
    acting("/api/auth/login", ANYBODY, "free", opened=(422,)),
    acting("/api/auth/refresh", ANYBODY, "free", opened=(422,)),
    acting("/api/auth/logout", ANYBODY, "free", opened=(204, 401, 409)),
    looking("/api/auth/me", LOGGED_IN, "free"),
    looking("/api/status", reach="list"),
    looking("/api/services", reach="list"),
    looking("/api/services/export", reach="list", least=ADMINISTRATOR),
    acting("/api/services/import", ADMINISTRATOR, "everything", opened=(422,), query="?dry_run=true"),
    acting("/api/services/batch", reach="each", body={"action": "start", "services": ["{service}"]}),
    looking(_SERVICE),
    looking(f"{_SERVICE}/history"),
    looking(f"{_SERVICE}/runs"),
    looking(f"{_SERVICE}/declaration"),
    # What a program writes is not for who may merely look at the rest.
    Door("GET", f"{_SERVICE}/log", VIEWER, "row", opened=(200, 404)),
    Door("GET", f"{_SERVICE}/log/archives", VIEWER, "row"),
    Door("GET", f"{_SERVICE}/log/download", VIEWER, "row", opened=(200, 404)),
    acting(f"{_SERVICE}/start"),
    acting(f"{_SERVICE}/stop"),
    acting(f"{_SERVICE}/restart"),
    acting(f"{_SERVICE}/auto-recovery", body={"enabled": True}),
    acting(f"{_SERVICE}/scale", ADMINISTRATOR, body={"instances": 1}, opened=(200,)),
    looking("/api/nodes", reach="free"),
    looking("/api/operations", reach="list"),
    acting("/api/operations", body={"kind": "service.start", "target": "service:{service}"}),
    looking("/api/operations/stats", reach="list"),
    acting("/api/operations/cancel", reach="each", body={"ids": ["{operation}"]}),
    Door("DELETE", "/api/operations/cleanup", ADMINISTRATOR, "everything", opened=(202,)),
    looking(_OPERATION),
    looking(f"{_OPERATION}/log"),
    acting(f"{_OPERATION}/cancel"),
    acting("/api/operations/{failed}/retry"),
    looking("/api/operations/batches", reach="list"),
    looking(_BATCH),
    acting(f"{_BATCH}/cancel"),
    acting(f"{_BATCH}/retry", opened=(202, 409)),
    looking("/api/operations/chores", reach="free"),
    acting("/api/operations/chores/sessions.prune/run", ADMINISTRATOR, "free", opened=(202,)),
    looking("/api/events/connections", reach="free"),
    looking("/api/events/stats", reach="free"),
    looking("/api/events/health", reach="free"),
    acting("/api/events/connections/1/kick", ADMINISTRATOR, "free", opened=(200,)),
    acting("/api/events/kick", ADMINISTRATOR, "free", body={"user": "nobody"}, opened=(200,)),
    acting("/api/events/test", ADMINISTRATOR, "free", opened=(200,)),
    looking("/api/workstations", reach="list"),
    acting(
        "/api/workstations",
        ADMINISTRATOR,
        "row",
        body={"name": "pc-new", "host": "10.9.9.9", "tags": ["{tag}"]},
        opened=(201,),
    ),
    looking("/api/workstations/export", reach="list"),
    acting("/api/workstations/import", ADMINISTRATOR, "everything", opened=(422,), query="?dry_run=true"),
    acting("/api/workstations/batch-test-connection", reach="each", body={"workstations": ["{workstation}"]}),
    acting("/api/workstations/batch-check-host", reach="each", body={"workstations": ["{workstation}"]}),
    acting("/api/workstations/batch-scan", reach="each", body={"workstations": ["{workstation}"]}),
    looking(_WORKSTATION),
    Door("PATCH", _WORKSTATION, ADMINISTRATOR, "row", body={"boot_seconds": 60}),
    Door("DELETE", _WORKSTATION, ADMINISTRATOR, "row", opened=(204,)),
    looking(f"{_WORKSTATION}/system-info"),
    acting(f"{_WORKSTATION}/system-info"),
    looking(f"{_WORKSTATION}/emulators"),
    acting(f"{_WORKSTATION}/emulators", body={"title": "new one"}),
    acting(f"{_WORKSTATION}/emulators/scan"),
    looking(f"{_WORKSTATION}/history"),
    acting(f"{_WORKSTATION}/test-connection"),
    acting(f"{_WORKSTATION}/check-host"),
    looking("/api/emulators", reach="list"),
    acting("/api/emulators/batch-start", reach="each", body={"emulators": ["{emulator}"]}),
    acting("/api/emulators/batch-stop", reach="each", body={"emulators": ["{emulator}"]}),
    acting("/api/emulators/batch-restart", reach="each", body={"emulators": ["{emulator}"]}),
    looking(_EMULATOR),
    Door("DELETE", _EMULATOR, OPERATOR, "row", opened=(202,)),
    looking(f"{_EMULATOR}/history"),
    acting(f"{_EMULATOR}/start"),
    acting(f"{_EMULATOR}/stop"),
    acting(f"{_EMULATOR}/restart"),
    acting(f"{_EMULATOR}/rename", body={"title": "renamed"}),
    acting(f"{_EMULATOR}/clone", body={"title": "cloned"}),
    acting(f"{_EMULATOR}/modify", body={"cpu": 2}),
    acting(f"{_EMULATOR}/install-app", body={"package": "org.example.app"}),
)

PAGES: tuple[Door, ...] = (
    looking("/monitoring/", reach="list"),
    looking("/monitoring/services/{service}/"),
    looking("/monitoring/connections/", reach="free"),
    looking("/workstations/", reach="list"),
    looking("/workstations/snapshot/", reach="list"),
    looking("/workstations/{workstation}/"),
    looking("/workstations/{workstation}/snapshot/"),
    looking("/workstations/{workstation}/panels/"),
    looking("/workstations/emulators/{emulator}/", opened=(302,)),
    looking("/operations/", reach="list"),
    looking("/operations/{operation}/"),
    looking("/operations/chores/", reach="free"),
)

ELSEWHERE: dict[str, str] = {
    "": "leads to the page of services",
    "login/": "anybody: tests/medimgr/test_login_door.py",
    "logout/": "anybody, by POST: tests/medimgr/test_login_door.py",
    "healthz": "anybody: tests/medimgr/test_health.py",
    "readyz": "anybody: tests/medimgr/test_health.py",
    "metrics": "a token, a network or staff: tests/medimgr/test_metrics.py",
    "api/": "no door: it says so",
    "^api(?:/.*)?$": "no door: it says so",
    "events/": "streams: test_matrix_streams, tests/events/test_scope_on_the_wire.py",
    "events/poll/": "poll: test_matrix_streams, tests/events/test_scope_replay.py",
    "events/pages/": "who has the connection's secret: tests/events/test_pages.py",
    "events/disconnect/": "who has the connection's secret: test_matrix_streams",
    "api/docs": "the description of the API: tests/medimgr/test_api_docs.py",
    "api/openapi.json": "the description of the API: tests/medimgr/test_api_docs.py",
}
"""Addresses that are held to something other than roles, and where."""


@dataclass(frozen=True)
class Administered:
    """Who may do what to a model in the admin; None: nobody, superusers neither."""

    view: str
    add: str | None = None
    change: str | None = None
    delete: str | None = None
    reach: Literal["row", "free", "seen", "unlimited"] = "free"
    """``seen``: only for who may look at everything; ``unlimited``: only for who reaches everything."""
    actions: dict[str, str] = field(default_factory=dict)
    """The least role for each action on the list, but for the deletion."""


ADMIN: dict[str, Administered] = {
    "auth.user": Administered(ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR, reach="unlimited"),
    "auth.group": Administered(ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR, ADMINISTRATOR, reach="unlimited"),
    "accounts.machinetoken": Administered(
        ADMINISTRATOR, add=ADMINISTRATOR, actions={"revoke": ADMINISTRATOR}
    ),
    "accounts.tokenfamily": Administered(ADMINISTRATOR, actions={"end": ADMINISTRATOR}),
    "audit.auditentry": Administered(ADMINISTRATOR, reach="unlimited"),
    "events.event": Administered(VIEWER, reach="seen"),
    "events.tick": Administered(VIEWER, reach="seen"),
    "events.connection": Administered(VIEWER, actions={"end_streams": ADMINISTRATOR}),
    "events.streamworker": Administered(VIEWER),
    "operations.operation": Administered(
        VIEWER,
        reach="row",
        actions={"cancel": OPERATOR, "ask_again": OPERATOR, "purge": ADMINISTRATOR},
    ),
    "operations.chorerun": Administered(VIEWER),
    "monitoring.node": Administered(VIEWER, change=ADMINISTRATOR),
    "monitoring.run": Administered(VIEWER, reach="row"),
    "monitoring.transition": Administered(VIEWER, reach="row"),
    "monitoring.service": Administered(
        VIEWER,
        ADMINISTRATOR,
        ADMINISTRATOR,
        ADMINISTRATOR,
        reach="row",
        actions=dict.fromkeys(
            ("start", "stop", "restart", "rolling_restart", "auto_recovery_on", "auto_recovery_off"), OPERATOR
        ),
    ),
    "workstations.workstation": Administered(
        VIEWER,
        ADMINISTRATOR,
        ADMINISTRATOR,
        ADMINISTRATOR,
        reach="row",
        actions=dict.fromkeys(("ask_for_connection_test", "check_host", "scan", "read_system"), OPERATOR),
    ),
    "workstations.emulator": Administered(VIEWER, reach="row", actions={"start": OPERATOR, "stop": OPERATOR}),
    "workstations.change": Administered(VIEWER, reach="row"),
}
