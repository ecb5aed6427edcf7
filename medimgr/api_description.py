"""Completes the description that django-ninja makes of the API: every status, header and preference."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TypeVar

from medimgr.api_failures import failures_of
from medimgr.lib.preferences import LONGEST_WAIT_SECONDS
from medimgr.lib.problem_response import CONTENT_TYPE

D = TypeVar("D", bound=dict[str, Any])
SAFE = frozenset({"get", "head", "options"})
CHECKED_BY_HAND = ("/services/import", "/workstations/import")
"""They take files of any type."""
FOLLOWED = frozenset({"OperationAnswer", "BatchAsked", "BatchCancelled", "ManyAnswer", "ServiceBatchAnswer"})
"""Answers that name an operation or a batch, for whose end can be waited."""
FOLLOWED_BY_GET = frozenset({"OperationShape", "BatchShape"})

FILES = {
    "/services/export": "application/toml",
    "/workstations/export": "application/toml",
    "/services/{key}/log": "text/plain",
    "/services/{key}/log/download": "text/plain",
    "/operations/{operation_id}/log": "text/plain",
}
"""What may answer with a file: instead of JSON where they have that too, on ``download``."""

PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "An error (RFC 9457). docs/errors.md lists the codes with cause and remedy.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:medimgr:problem:target-busy"]},
        "title": {"type": "string", "description": "The kind of problem, the same each time."},
        "status": {"type": "integer", "examples": [409]},
        "detail": {"type": "string", "description": "What happened, where, and what to do."},
        "code": {"type": "string", "description": "Stable: for programs.", "examples": ["target-busy"]},
        "errors": {
            "description": "What is wrong with which field.",
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
        "request_id": {"type": "string", "description": "How the log knows the request."},
    },
}
WORDS = {
    400: "The request cannot be read.",
    401: "Nobody is logged in: send a session cookie or a bearer token.",
    403: "The account may not do this, or this is out of its reach, or the CSRF token is missing.",
    404: "There is no such thing, or none that this account may look at.",
    405: "The address does not take this method.",
    409: "The state of things does not allow it now.",
    413: "The body is too large.",
    415: "The body is of a type that is not read here.",
    422: "The request can be read, and does not fit; ``errors`` names the fields.",
    429: "Too many: come back later, see Retry-After.",
    500: "medimgr failed. Its log says why.",
    501: "The server is not run in a way that allows it.",
    503: "Something that this needs does not answer. Try again in a moment.",
    504: "It took too long and was given up.",
    507: "There is no room on the disk.",
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags of what you have: 304 without a body where it is still the same.",
    "schema": {"type": "string"},
}
PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": f"`wait=10` (RFC 7240): answer once it has ended, with 200, or after so many seconds, "
    f"{LONGEST_WAIT_SECONDS} at most, with how far it is.",
    "schema": {"type": "string"},
}
_TEXT_HEADER = {"schema": {"type": "string"}}
HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {"description": "Of this body; send it back as If-None-Match.", **_TEXT_HEADER},
    "Location": {"description": "Where to follow it.", **_TEXT_HEADER},
    "Preference-Applied": {"description": "As in wait=10, where the answer waited.", **_TEXT_HEADER},
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}},
}


def complete(description: D) -> D:
    """Return ``description`` with all that ninja does not know of. Changes it. Pure otherwise."""
    components = description["components"]
    components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    components["headers"] = HEADERS
    components["parameters"] = {"IfNoneMatch": IF_NONE_MATCH, "Prefer": PREFER}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            if method == "get":
                _add_tags(operation)
                _add_file(path, operation)
            _add_waiting(operation)
            _add_problems(path, method, operation)
            operation["responses"] = dict(
                sorted(operation["responses"].items(), key=lambda pair: str(pair[0]))
            )
    return description


def _add_tags(operation: dict[str, Any]) -> None:
    operation["parameters"].append({"$ref": "#/components/parameters/IfNoneMatch"})
    found = operation["responses"].get(200)
    if found is not None:
        found.setdefault("headers", {})["ETag"] = {"$ref": "#/components/headers/ETag"}
        operation["responses"][304] = {
            "description": "Nothing has changed since.",
            "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
        }


def _add_file(path: str, operation: dict[str, Any]) -> None:
    for end, kind in FILES.items():
        if path.endswith(end):
            content = operation["responses"][200].setdefault("content", {})
            content[kind] = {"schema": {"type": "string"}}


def _add_waiting(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    accepted, found = responses.get(202), responses.get(200)
    applied = {"Preference-Applied": {"$ref": "#/components/headers/Preference-Applied"}}
    if accepted is not None and _schema_of(accepted) in FOLLOWED:
        accepted["headers"] = applied | {"Location": {"$ref": "#/components/headers/Location"}}
        responses[200] = {**accepted, "description": "It was waited for, and has ended."}
        operation["parameters"].append({"$ref": "#/components/parameters/Prefer"})
    elif found is not None and _schema_of(found) in FOLLOWED_BY_GET:
        found["headers"] |= applied
        operation["parameters"].append({"$ref": "#/components/parameters/Prefer"})


def _schema_of(response: dict[str, Any]) -> str:
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _add_problems(path: str, method: str, operation: dict[str, Any]) -> None:
    codes: dict[int, list[str]] = defaultdict(list)
    for status, code in _codes(path, method, operation):
        if code not in codes[status]:
            codes[status].append(code)
    for status, names in codes.items():
        listed = ", ".join(f"`{name}`" for name in names)
        operation["responses"][status] = {
            "description": f"{WORDS[status]} Codes: {listed}.",
            "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }


def _codes(path: str, method: str, operation: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield the status and code of each problem that may be the answer."""
    yield 400, "bad-request"
    if operation.get("security"):
        yield 401, "not-logged-in"
        yield 401, "token-invalid"
        yield 401, "token-expired"
        yield 403, "not-permitted"
        if method not in SAFE:
            yield 403, "out-of-reach"
            yield 403, "csrf-failed"
    if method not in SAFE:
        yield 400, "unreadable"
        yield 413, "too-large"
    if "requestBody" in operation and not path.endswith(CHECKED_BY_HAND):
        yield 400, "bad-json"
        yield 415, "unsupported-media-type"
    if "requestBody" in operation or _has_own_parameters(operation):
        yield 422, "invalid"
    for kind in failures_of(method.upper(), path):
        yield kind.status, kind.code
    yield 500, "internal-error"
    yield 503, "database-unavailable"
    yield 503, "database-not-migrated"
    yield 503, "out-of-resources"
    yield 507, "disk-full"
    yield 503, "server-restarting"
    yield 504, "request-deadline"


def _has_own_parameters(operation: dict[str, Any]) -> bool:
    return any("$ref" not in parameter for parameter in operation["parameters"])
