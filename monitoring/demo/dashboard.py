"""MediVote's network dashboard: asks the others for their health and shows it on one small page."""

import time
from html import escape
from typing import Any

from monitoring.demo import log
from monitoring.demo.answers import Answer, Request
from monitoring.demo.client import Unreachable, call
from monitoring.demo.service import HealthReport, Service, number, setting

WATCHED = (
    "backend=http://127.0.0.1:8101 blockchain=http://127.0.0.1:8102 incentive=http://127.0.0.1:8103 "
    "coordinator=http://127.0.0.1:8104 frontend=http://127.0.0.1:8106 ballots=http://127.0.0.1:8107"
)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>MediVote network</title>
<meta http-equiv="refresh" content="5"></head><body>
<h1>MediVote network</h1>
<p>{well} of {count} services are well.</p>
<table><tr><th>Service</th><th>Status</th><th>Figures</th></tr>{rows}</table>
</body></html>
"""


def look(url: str) -> dict[str, Any]:
    """Return what a service says of its health; one that says nothing is ``unreachable``."""
    began = time.monotonic()
    try:
        status, content = call(f"{url}/health", timeout=1.0)
    except Unreachable as fault:
        return {"status": "unreachable", "detail": str(fault)}
    figures = content if isinstance(content, dict) else {}
    spent = round((time.monotonic() - began) * 1000, 1)
    return {**figures, "status": "ok" if status == 200 else "failing", "answered_in_ms": spent}


def page(seen: dict[str, dict[str, Any]]) -> str:
    """Return the page: a row for each service."""
    hidden = {"status", "service", "tip"}
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(found['status']))}</td><td>"
        + escape(", ".join(f"{k} {v}" for k, v in found.items() if k not in hidden))
        + "</td></tr>"
        for name, found in seen.items()
    )
    well = sum(1 for found in seen.values() if found["status"] == "ok")
    return PAGE.format(well=well, count=len(seen), rows=rows)


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    service = Service("network-dashboard", 8105)
    watched = dict(entry.split("=", 1) for entry in setting("WATCHED", WATCHED).split() if "=" in entry)
    seen: dict[str, dict[str, Any]] = {name: {"status": "not asked yet"} for name in watched}

    def look_round() -> None:
        for name, url in watched.items():
            before, now = seen[name]["status"], look(url)
            seen[name] = now
            if now["status"] != before:
                level = "INFO" if now["status"] == "ok" else "WARNING"
                log.log(level, f"{name} is {now['status']} (was {before})")

    def report() -> HealthReport:
        # It exists to show that others are ill; that does not make it ill itself.
        return True, {"watched": len(seen), "well": sum(1 for f in seen.values() if f["status"] == "ok")}

    def overview(_request: Request) -> Answer:
        return Answer({"services": seen})

    service.route("GET", "/", lambda _request: Answer(page=page(seen)))
    service.route("GET", "/api/overview", overview)
    service.every(number("LOOK_SECONDS", 3, least=0.05, most=3600), look_round, "asking for health")
    service.health(report)
    return service.run()


if __name__ == "__main__":
    raise SystemExit(main())
