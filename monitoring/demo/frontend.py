"""MediVote's frontend: a page to vote on and to see the count, all of it the backend's answers.

DEMO_VOTES_PER_MINUTE lets simulated voters cast ballots the way a browser does, so that a trial
shows a system at work.
"""

import itertools
import random
from html import escape
from typing import Any
from urllib.parse import parse_qs

from monitoring.demo import log
from monitoring.demo.answers import Answer, Refused, Request
from monitoring.demo.client import Unreachable, ask, call
from monitoring.demo.service import HealthReport, Service, number, setting

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>MediVote</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head><body>
<h1>MediVote</h1>
<form method="post" action="/vote"><p>{buttons}</p></form>
<table><caption>Votes so far</caption>{rows}</table>
<p>{note}</p></body></html>
"""


def page(tally: dict[str, int], waiting: int, receipt: str) -> str:
    """Return the page with the count and, after a vote, the receipt."""
    note = f"{waiting} ballots wait to be sealed."
    if receipt:
        note = f"Your receipt: <code>{escape(receipt)}</code>. {note}"
    return PAGE.format(
        buttons=" ".join(f'<button name="choice" value="{escape(n)}">{escape(n)}</button>' for n in tally),
        rows="".join(f"<tr><th>{escape(n)}</th><td>{int(votes)}</td></tr>" for n, votes in tally.items()),
        note=note,
    )


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    service = Service("medivote-frontend", 8106)
    backend = setting("BACKEND_URL", "http://127.0.0.1:8101")
    votes_per_minute = number("DEMO_VOTES_PER_MINUTE", 0, least=0, most=6000)
    voters = itertools.count(1)

    def backend_says(path: str, body: Any = None) -> tuple[int, Any]:
        try:
            return call(f"{backend}{path}", body)
        except Unreachable as fault:
            raise Refused(502, f"The backend cannot be reached: {fault}.") from None

    def index(request: Request) -> Answer:
        status, content = backend_says("/tally")
        if status != 200:
            raise Refused(502, f"The backend answered {status}.")
        return Answer(page=page(content["tally"], content["waiting"], request.query.get("receipt", "")))

    def vote(request: Request) -> Answer:
        try:
            fields = parse_qs(request.body.decode(), max_num_fields=5)
        except ValueError:
            raise Refused(400, "The form cannot be read.") from None
        choice = fields.get("choice", [""])[0]
        status, content = backend_says("/ballots", {"voter": f"visitor-{next(voters)}", "choice": choice})
        if status != 202:
            return Answer(content, status)
        return Answer({}, 303, see_other=f"/?receipt={content['receipt']}")

    def tally(_request: Request) -> Answer:
        status, content = backend_says("/tally")
        return Answer(content, status)

    def simulate() -> None:
        names = list(ask(f"{backend}/tally")["tally"])
        choice = random.choice(names)  # noqa: S311 - a simulated voter's taste needs no cryptography
        ask(f"{backend}/ballots", {"voter": f"voter-{next(voters)}", "choice": choice})

    def report() -> HealthReport:
        try:
            ask(f"{backend}/health", timeout=1.0)
        except Unreachable as fault:
            return False, {"backend": str(fault)}
        return True, {"backend": "ok"}

    service.route("GET", "/", index)
    service.route("POST", "/vote", vote)
    service.route("GET", "/api/tally", tally)
    if votes_per_minute:
        log.info(f"simulated voters cast {votes_per_minute:g} ballots a minute")
        service.every(60.0 / votes_per_minute, simulate, "simulated voting")
    service.health(report)
    return service.run()


if __name__ == "__main__":
    raise SystemExit(main())
