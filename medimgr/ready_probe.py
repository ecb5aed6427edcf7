"""Asks the medimgr of this machine whether it can do its work: for a container's health check.

    python -m medimgr.ready_probe [PORT]

Ends with 0, or with 1 and the reason. It imports nothing of Django, since it is run every few seconds.
"""

import http.client
import json
import sys

TIMEOUT_SECONDS = 4.0


def reason_against(port: int, timeout: float = TIMEOUT_SECONDS) -> str:
    """Ask ``/readyz`` on loopback; return why it is not ready, empty where it is. Never raises."""
    # Not urllib, which would ask a proxy that the environment names.
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        asked.request("GET", "/readyz", headers={"Host": "127.0.0.1", "Connection": "close"})
        answer = asked.getresponse()
        body = answer.read(4096)
    except (OSError, http.client.HTTPException) as error:
        return f"Nobody answers at port {port}: {error}"
    finally:
        asked.close()
    if answer.status == http.client.OK:
        return ""
    try:
        told = str(json.loads(body).get("reason", ""))
    except (ValueError, AttributeError):
        told = ""
    return told or f"/readyz answers {answer.status}."


def main(arguments: list[str]) -> int:
    """Return the exit status."""
    port = arguments[0] if arguments else "8000"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        sys.stderr.write(f"{port!r} is not a port.\n")
        return 1
    reason = reason_against(int(port))
    if reason:
        sys.stderr.write(f"{reason}\n")
    return int(bool(reason))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
