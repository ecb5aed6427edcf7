"""MediVote's network coordinator: the registry of nodes. Whoever does not renew is dropped."""

import threading
import time
from typing import Any
from urllib.parse import urlsplit

from monitoring.demo import log
from monitoring.demo.answers import Answer, Refused, Request
from monitoring.demo.service import HealthReport, Service, number

MOST_NODES = 500
LONGEST_TEXT = 200


class Registry:
    """Who has registered, by name, and until when it counts. Safe for many threads."""

    def __init__(self, keep_seconds: float) -> None:
        """Forget a node that has not renewed for ``keep_seconds``."""
        self.keep_seconds = keep_seconds
        self._nodes: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def register(self, name: str, kind: str, url: str, now: float) -> bool:
        """Add or renew a node; return whether it is new. Raises Refused (503) when the registry is full."""
        with self._lock:
            new = name not in self._nodes
            if new and len(self._nodes) >= MOST_NODES:
                raise Refused(503, f"The registry holds {MOST_NODES} nodes already.", retry_after=30)
            self._nodes[name] = {"name": name, "kind": kind, "url": url, "until": now + self.keep_seconds}
            return new

    def drop_silent(self, now: float) -> list[str]:
        """Forget the nodes that have not renewed in time; return their names."""
        with self._lock:
            gone = [name for name, node in self._nodes.items() if node["until"] < now]
            for name in gone:
                del self._nodes[name]
        return gone

    def nodes(self, kind: str = "") -> list[dict[str, str]]:
        """Return the registered nodes, of one kind or of all."""
        with self._lock:
            return [
                {"name": node["name"], "kind": node["kind"], "url": node["url"]}
                for node in self._nodes.values()
                if kind in {"", node["kind"]}
            ]


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    service = Service("network-coordinator", 8104)
    registry = Registry(number("NODE_KEEP_SECONDS", 30, least=0.1, most=3600))

    def register(request: Request) -> Answer:
        content = request.table()
        name, kind, url = (_text(content, field) for field in ("name", "kind", "url"))
        if urlsplit(url).scheme != "http" or not urlsplit(url).hostname:
            raise Refused(422, "url has to be the http address at which the node answers.")
        new = registry.register(name, kind, url, time.monotonic())
        if new:
            log.info(f"{kind} node {name} has registered at {url}")
        return Answer({"registered": name, "keep_seconds": registry.keep_seconds}, 201 if new else 200)

    def sweep() -> None:
        for name in registry.drop_silent(time.monotonic()):
            log.warning(f"node {name} has not renewed for {registry.keep_seconds:g} s and is dropped")

    def report() -> HealthReport:
        return True, {"nodes": len(registry.nodes())}

    service.route("POST", "/nodes", register)
    service.route("GET", "/nodes", lambda r: Answer({"nodes": registry.nodes(r.query.get("kind", ""))}))
    service.every(1.0, sweep, "dropping silent nodes")
    service.health(report)
    return service.run()


def _text(content: dict[str, Any], field: str) -> str:
    value = content.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT:
        raise Refused(422, f"{field} has to be a text of 1 to {LONGEST_TEXT} characters.")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
