"""What a services page may show, each with the sentence that it has to say. For both of its speakers."""

from typing import Any

SINCE = "2026-11-23T12:03:11Z"


def item(key: str, state: str = "RUNNING", **fields: Any) -> dict[str, Any]:
    """Return what a snapshot says about a service, as far as the sentence needs it."""
    values = {
        "name": key.title(),
        "node": "alpha",
        "health": "unknown",
        "intent": "up",
        "reason": "",
        "needs": [],
    }
    return {"key": key, "state": state, **values, **fields}


def node(name: str = "alpha", **fields: Any) -> dict[str, Any]:
    """Return what a snapshot says about a node, supervised and well unless ``fields`` say otherwise."""
    return {"name": name, "supervised": True, "heartbeat_at": SINCE, "problem": "", **fields}


def many(count: int, **fields: Any) -> list[dict[str, Any]]:
    """Return as many services alike."""
    return [item(f"s{number}", **fields) for number in range(count)]


Case = tuple[list[dict[str, Any]], list[dict[str, Any]], str, str]

CASES: dict[str, Case] = {
    "nothing declared": ([], [node()], "empty", "No services declared yet: import or add some."),
    "all run": (many(9), [node()], "good", "All 9 services are running."),
    "the only one runs": (many(1), [node()], "good", "The one service is running."),
    "all stopped": (many(3, state="STOPPED", intent="down"), [node()], "good", "All 3 services are stopped."),
    "one stopped": (
        [*many(2), item("x", "STOPPED", intent="down")],
        [node()],
        "good",
        "2 of 3 services are running, 1 is stopped.",
    ),
    "a task that is done": (
        [*many(1), item("x", "EXITED", reason="completed")],
        [node()],
        "good",
        "1 of 2 services is running, 1 is stopped.",
    ),
    "on the way up": (
        [*many(2), item("x", "STARTING"), item("y", "STOPPING")],
        [node()],
        "changing",
        "2 of 4 services are running, 2 are starting or stopping.",
    ),
    "cause and consequence": (
        [
            item("frontend", "WAITING", reason="dependency", needs=["ballot"]),
            *many(7),
            item("ballot", "FATAL", name="Ballot microservice"),
        ],
        [node()],
        "attention",
        "2 of 9 services need attention: Ballot microservice failed to start, Frontend waits for it.",
    ),
    "each consequence behind its own cause": (
        [
            item("a", "FATAL", reason="spawn-error"),
            item("b", "BACKOFF", reason="crash"),
            item("c", "WAITING", needs=["b"]),
        ],
        [node()],
        "attention",
        "3 of 3 services need attention: A could not be started, B ended unexpectedly and is tried again, "
        "C waits for it.",
    ),
    "a chain that waits": (
        [item("c", "WAITING", needs=["b"]), item("b", "WAITING", needs=["a"]), item("a", "FATAL")],
        [node()],
        "attention",
        "3 of 3 services need attention: A failed to start, B waits for it, C waits for B.",
    ),
    "waits for what is down on purpose": (
        [item("a", "STOPPED", intent="down"), item("b", "WAITING", needs=["a"])],
        [node()],
        "attention",
        "1 of 2 services needs attention: B waits for A.",
    ),
    "waits for one in trouble and one that is stopped": (
        [item("a", "STOPPED", intent="down"), item("b", "FATAL"), item("c", "WAITING", needs=["a", "b"])],
        [node()],
        "attention",
        "2 of 3 services need attention: B failed to start, C waits for it.",
    ),
    "waits for what is coming": (
        [item("a", "STARTING"), item("b", "WAITING", needs=["a"])],
        [node()],
        "changing",
        "0 of 2 services are running, 2 are starting or stopping.",
    ),
    "needs something of another page": (
        [item("b", "WAITING", needs=["not-in-the-list"])],
        [node()],
        "changing",
        "0 of 1 services are running, 1 is starting or stopping.",
    ),
    "runs and is unhealthy": (
        [*many(1), item("x", health="unhealthy")],
        [node()],
        "attention",
        "1 of 2 services needs attention: X is unhealthy.",
    ),
    "ended badly and stays so": (
        [item("x", "EXITED", reason="crash")],
        [node()],
        "attention",
        "1 of 1 service needs attention: X ended unexpectedly.",
    ),
    "too many to name": (
        many(12, state="FATAL", reason="port-busy"),
        [node()],
        "attention",
        "12 of 12 services need attention: S0 cannot start while its port is taken, "
        "S1 cannot start while its port is taken, S2 cannot start while its port is taken, and 9 more.",
    ),
    "keeps failing, and is up just now": (
        [*many(2), item("x", flapping=True, restarts=5)],
        [node()],
        "attention",
        "1 of 3 services needs attention: X keeps failing (5 restarts).",
    ),
    "keeps failing, and waits for its next try": (
        [item("x", "BACKOFF", reason="crash", flapping=True, restarts=1), item("y", "WAITING", needs=["x"])],
        [node()],
        "attention",
        "2 of 2 services need attention: X keeps failing (1 restart) and is tried again, Y waits for it.",
    ),
    "kept failing until somebody stopped it": (
        [*many(1), item("x", "STOPPED", intent="down", flapping=True, restarts=5)],
        [node()],
        "good",
        "1 of 2 services is running, 1 is stopped.",
    ),
    "one runs at night": (
        [*many(8), item("x", "EXITED", reason="completed", schedule="30 2 * * *")],
        [node()],
        "good",
        "8 of 9 services are running, 1 waits for its next run.",
    ),
    "two that have not run yet": (
        [item(key, "EXITED", reason="schedule", schedule="30 2 * * *") for key in "ab"],
        [node()],
        "good",
        "All 2 services wait for their next run.",
    ),
    "a scheduled run failed": (
        [*many(8), item("nightly", "EXITED", reason="crash", schedule="30 2 * * *")],
        [node()],
        "attention",
        "1 of 9 services needs attention: Nightly failed at its last run.",
    ),
    "a schedule that somebody has stopped": (
        [*many(1), item("x", "STOPPED", intent="down", schedule="30 2 * * *")],
        [node()],
        "good",
        "1 of 2 services is running, 1 is stopped.",
    ),
    "waits for what runs at night": (
        [item("a", "EXITED", schedule="30 2 * * *", reason="schedule"), item("b", "WAITING", needs=["a"])],
        [node()],
        "changing",
        "0 of 2 services are running, 1 waits for its next run, 1 is starting or stopping.",
    ),
    "its hook fails": (
        [item("x", "FATAL", reason="hook-failed"), item("y", "FATAL", reason="fatal-exit")],
        [node()],
        "attention",
        "2 of 2 services need attention: X cannot start while the command before its start fails, "
        "Y ended with an exit code that allows no restart.",
    ),
    "the supervisor is gone": (
        many(2, state="UNKNOWN"),
        [node(supervised=False)],
        "stale",
        "No supervisor reports for node alpha since 12:03: what you see may be old.",
    ),
    "there was never a supervisor": (
        many(1, state="UNKNOWN"),
        [node(supervised=False, heartbeat_at=None)],
        "stale",
        "No supervisor has reported for node alpha yet: nothing runs there until one does.",
    ),
    "one node of two is silent": (
        [*many(2, state="UNKNOWN"), item("x", "FATAL", node="beta"), item("y", node="beta")],
        [node(supervised=False), node("beta")],
        "stale",
        "No supervisor reports for node alpha since 12:03: what you see may be old. "
        "1 of 2 other services needs attention: X failed to start.",
    ),
    "a silent node without services": (
        many(2),
        [node(), node("old", supervised=False)],
        "good",
        "All 2 services are running.",
    ),
    "the node itself has a problem": (
        many(2),
        [node(problem="the disk under the logs is full")],
        "attention",
        "Node alpha: the disk under the logs is full.",
    ),
    "names are text": (
        [item("x", "FATAL", name="<b>x</b> & co")],
        [node()],
        "attention",
        "1 of 1 service needs attention: <b>x</b> & co failed to start.",
    ),
}
