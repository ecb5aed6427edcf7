"""How the demo services call each other: HTTP with a time limit and a limit to what is read."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

LARGEST_ANSWER = 4 * 1024 * 1024


class Unreachable(Exception):
    """The other service could not be reached, or did not answer properly in time."""


def call(url: str, body: Any = None, *, timeout: float = 2.0) -> tuple[int, Any]:
    """GET ``url``, or POST ``body`` as JSON; return the status and the decoded JSON.

    ``timeout`` is in seconds and counts for each wait. Raises Unreachable.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        if body is None:
            connection.request("GET", target)
        else:
            connection.request("POST", target, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read(LARGEST_ANSWER + 1)
        if len(content) > LARGEST_ANSWER:
            raise Unreachable(f"{url} answered with more than {LARGEST_ANSWER} bytes")
        return answer.status, json.loads(content)
    except (OSError, http.client.HTTPException) as fault:
        raise Unreachable(f"{url}: {fault or type(fault).__name__}") from None
    except ValueError:
        raise Unreachable(f"{url} did not answer with JSON") from None
    finally:
        connection.close()


def ask(url: str, body: Any = None, *, timeout: float = 2.0) -> Any:
    """Do as :func:`call`, but take only a success. Raises Unreachable for every other status."""
    status, content = call(url, body, timeout=timeout)
    if not 200 <= status < 300:
        message = content.get("error", "") if isinstance(content, dict) else ""
        raise Unreachable(f"{url} answered {status}: {message}")
    return content
