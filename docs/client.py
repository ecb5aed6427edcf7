"""A whole shift at medimgr's API, to run as it is or to copy from. Needs Python 3.11 and httpx.

    python docs/client.py http://127.0.0.1:8000 --user alice --service web --workstation pc-1 < password

Logs in, follows the event stream, starts the service and waits for it, reads its log, tests the connection
to the workstation, deletes finished operations, logs out. Ends with 0 where all of it succeeded.
"""

import argparse
import asyncio
import getpass
import json
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NamedTuple

import httpx

ACTIVE = ("PENDING", "RUNNING")
WAIT_SECONDS = 20
SILENCE_SECONDS = 45.0
"""The stream says something every thirty seconds; longer silence means that it is dead."""


class Refused(Exception):
    """The API said no; its problem document (RFC 9457) says why."""

    def __init__(self, answer: httpx.Response) -> None:
        problem = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
        self.code = str(problem.get("code", answer.status_code))
        super().__init__(f"{self.code}: {problem.get('detail', answer.reason_phrase)}")


class Event(NamedTuple):
    """One message of the event stream."""

    id: str
    name: str
    data: dict[str, Any]


class Medimgr:
    """A login at one medimgr."""

    def __init__(self, url: str) -> None:
        """Take where it is, as in http://127.0.0.1:8000."""
        self._http = httpx.AsyncClient(base_url=url, timeout=WAIT_SECONDS + 20)
        self._refresh_token = ""

    async def log_in(self, username: str, password: str) -> None:
        """Get the tokens. Raises Refused."""
        self._keep(
            await self._http.post("/api/auth/login", json={"username": username, "password": password})
        )

    async def log_out(self) -> None:
        """End the login: its tokens are worth nothing from then on, and its streams end."""
        await self._http.post("/api/auth/logout")
        await self._http.aclose()

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return what there is at ``path``. Raises Refused."""
        answer: dict[str, Any] = (await self._ask("GET", path, params=query)).json()
        return answer

    async def act(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Have something done; return its operation once that has ended. Raises Refused."""
        # The key makes it safe to ask again where no answer came: it is done once.
        headers = {"Idempotency-Key": str(uuid.uuid4()), "Prefer": f"wait={WAIT_SECONDS}"}
        try:
            answer = await self._ask(method, path, json=body, headers=headers)
        except httpx.TransportError:
            answer = await self._ask(method, path, json=body, headers=headers)
        operation: dict[str, Any] = answer.json()["operation"]
        while operation["status"] in ACTIVE:
            later = await self._ask("GET", answer.headers["Location"], headers={"Prefer": headers["Prefer"]})
            operation = later.json()
        return operation

    async def events(self, *topics: str) -> AsyncIterator[Event]:
        """Yield what happens, for ever. Comes back by itself and misses nothing. Raises Refused."""
        last, pause = "", 1.0
        while True:
            with suppress(httpx.TransportError):
                async for event in self._stream(topics, last):
                    last, pause = event.id or last, 1.0
                    if event.name not in ("hello", "heartbeat", "bye"):
                        yield event
            await asyncio.sleep(pause)
            pause = min(2 * pause, 30.0)

    async def _stream(self, topics: tuple[str, ...], last: str) -> AsyncIterator[Event]:
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if last:
            headers["Last-Event-ID"] = last
        timeout = httpx.Timeout(20, read=SILENCE_SECONDS)
        query = {"topics": ",".join(topics)}
        async with self._http.stream(
            "GET", "/events/", params=query, headers=headers, timeout=timeout
        ) as answer:
            if answer.status_code == 401 and await self._renew():
                return
            if answer.status_code != 200:
                await answer.aread()
                raise Refused(answer)
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                name, _, value = line.partition(":")
                if name:
                    fields[name] = value.removeprefix(" ")
                elif not line and "data" in fields:
                    yield Event(
                        fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"])
                    )
                    fields = {}

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = await self._http.request(method, path, **options)
        if answer.status_code == 401 and await self._renew():
            answer = await self._http.request(method, path, **options)
        if answer.is_error:
            raise Refused(answer)
        return answer

    async def _renew(self) -> bool:
        """Trade the refresh token, which is good once, for new tokens; False where that is refused."""
        token, self._refresh_token = self._refresh_token, ""
        if not token:
            return False
        try:
            self._keep(await self._http.post("/api/auth/refresh", json={"refresh": token}))
        except Refused:
            return False
        return True

    def _keep(self, answer: httpx.Response) -> None:
        if answer.is_error:
            raise Refused(answer)
        tokens = answer.json()
        # In a header, never in an address: addresses end up in logs.
        self._http.headers["Authorization"] = f"Bearer {tokens['access']}"
        self._refresh_token = tokens["refresh"]


async def follow(medimgr: Medimgr) -> None:
    """Say what happens to services and operations, until cancelled."""
    async for event in medimgr.events("service", "operation"):
        said = event.data.get("state") or event.data.get("status")
        if said:
            say(f"event {event.id}: {event.name} {event.data.get('key', '')} {said}")


async def work(medimgr: Medimgr, service: str, workstation: str) -> bool:
    """Do the shift; return whether all of it succeeded."""
    me = await medimgr.get("/api/auth/me")
    say(f"logged in as {me['username']} with {len(me['permissions'])} permissions")
    everything = await medimgr.get("/api/services", limit=1000)
    say(f"{everything['count']} services: {', '.join(item['key'] for item in everything['items'])}")
    done = [told(await medimgr.act("POST", f"/api/services/{service}/start", {"reason": "the shift begins"}))]
    log = await medimgr.get(f"/api/services/{service}/log", lines=5)
    for line in log["lines"]:
        say(f"{service}: {line}")
    if workstation:
        found = await medimgr.get("/api/workstations", search=workstation)
        for item in found["items"]:
            operation = await medimgr.act("POST", f"/api/workstations/{item['id']}/test-connection")
            done.append(told(operation))
    done.append(told(await medimgr.act("DELETE", "/api/operations/cleanup?keep_hours=24")))
    return all(done)


def told(operation: dict[str, Any]) -> bool:
    """Say how an operation ended; return whether it succeeded."""
    error = operation["error"]
    why = f": {error['code']}, {error['detail']}" if error else ""
    say(f"{operation['kind']} of {operation['target']}: {operation['status']}{why}")
    return bool(operation["status"] == "SUCCESS")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main() -> int:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description="A whole shift at medimgr's API.")
    parser.add_argument("url", help="as in http://127.0.0.1:8000")
    parser.add_argument("--user", required=True)
    parser.add_argument("--service", required=True, help="the key of a service")
    parser.add_argument("--workstation", default="", help="the name of a workstation, or a part of it")
    asked = parser.parse_args()
    # Not as an argument: those are shown to everybody on the machine.
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    medimgr = Medimgr(asked.url)
    try:
        await medimgr.log_in(asked.user, password)
        following = asyncio.create_task(follow(medimgr))
        try:
            good = await work(medimgr, asked.service, asked.workstation)
        finally:
            following.cancel()
            await asyncio.wait([following])
            await medimgr.log_out()
    except Refused as refused:
        say(f"refused: {refused}")
        return 1
    except httpx.TransportError as error:
        say(f"{asked.url} does not answer: {type(error).__name__}")
        return 1
    say("logged out")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
