"""How a node keeps its place in the network coordinator's registry."""

from urllib.parse import quote

from monitoring.demo import log
from monitoring.demo.client import Unreachable, ask
from monitoring.demo.service import Service, setting

RENEW_SECONDS = 5.0


class Membership:
    """Registers a service with the coordinator, renews, and knows the peers of its kind."""

    def __init__(self, service: Service, kind: str) -> None:
        """Read COORDINATOR_URL and NODE_NAME from the environment; renewing starts with the service."""
        self.peers: list[str] = []
        self.registered = False
        self._coordinator = setting("COORDINATOR_URL", "http://127.0.0.1:8104")
        self.name = setting("NODE_NAME", f"{service.name}-{service.port}")
        self._service = service
        self._kind = kind
        service.every(RENEW_SECONDS, self._renew, "registering with the coordinator")

    def _renew(self) -> None:
        try:
            node = {"name": self.name, "kind": self._kind, "url": self._service.url}
            ask(f"{self._coordinator}/nodes", node)
            answer = ask(f"{self._coordinator}/nodes?kind={quote(self._kind)}")
            self.peers = [str(n["url"]) for n in answer["nodes"] if n["name"] != self.name]
        except (Unreachable, KeyError, TypeError) as fault:
            # The peers known so far stay: a node goes on without its coordinator.
            self.registered = False
            raise fault if isinstance(fault, Unreachable) else Unreachable(str(fault)) from None
        if not self.registered:
            log.info(f"registered with {self._coordinator} as {self.name}; {len(self.peers)} peers")
        self.registered = True
