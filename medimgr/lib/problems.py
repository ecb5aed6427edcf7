"""The base of medimgr's exceptions, and the one shape in which errors leave it (RFC 9457)."""

from typing import Any, ClassVar


class Problem(Exception):
    """Something went wrong.

    The docstring of a subclass is the default message. ``code`` is stable and fit for programs,
    ``status`` is the HTTP status that the API answers with, ``errors`` names bad fields.
    """

    code: ClassVar[str] = "problem"
    status: ClassVar[int] = 500

    def __init__(self, detail: str = "", *, errors: dict[str, list[str]] | None = None) -> None:
        """Take a message for people that says what happened, where, and what to do."""
        self.detail = detail or (self.__doc__ or "").strip().splitlines()[0]
        self.errors = errors or {}
        super().__init__(self.detail)

    @property
    def title(self) -> str:
        """Return the kind of problem in words, the same for every occurrence."""
        return (type(self).__doc__ or "").strip().splitlines()[0]

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that belong to the answer, such as when to try again; by default none."""
        return {}


def problem_document(
    *, code: str, status: int, title: str, detail: str, errors: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    """Return the body of an ``application/problem+json`` answer."""
    document: dict[str, Any] = {
        "type": f"urn:medimgr:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        document["errors"] = errors
    return document
