"""The base of medimgr's exceptions, and the one shape in which errors leave it (RFC 9457)."""

from typing import Any, ClassVar


class Problem(Exception):
    """Something went wrong.

    The first line of a subclass's docstring says what it means and is the default message. ``code`` is stable
    and fit for programs, ``status`` is the HTTP status that the API answers with, ``remedy`` says what to do
    about it, ``errors`` names bad fields. A class without a code of its own is never raised: it stands for
    those below it.

    Every problem hangs on one branch of the tree: ``class X(Problem, branch="What it is about")`` makes a
    branch, and nothing can be below two of them.
    """

    code: str = "problem"
    status: int = 500
    remedy: ClassVar[str] = ""
    branch: ClassVar[str] = ""

    def __init_subclass__(cls, *, branch: str = "", **options: Any) -> None:
        """Put the class on its branch. Raises TypeError for a second one."""
        super().__init_subclass__(**options)
        above = {base.branch for base in cls.__bases__ if issubclass(base, Problem) and base.branch}
        branches = above | ({branch} if branch else set())
        if len(branches) > 1:
            raise TypeError(f"{cls.__name__} would be on several branches: {', '.join(sorted(branches))}.")
        cls.branch = next(iter(branches), "")

    def __init__(self, detail: str = "", *, errors: dict[str, list[str]] | None = None) -> None:
        """Take a message for people that says what happened, where, and what to do."""
        self.detail = detail or self.meaning()
        self.errors = errors or {}
        super().__init__(self.detail)

    @classmethod
    def meaning(cls) -> str:
        """Return what it means that this is raised, in a sentence."""
        return (cls.__doc__ or "").strip().splitlines()[0]

    @property
    def title(self) -> str:
        """Return the kind of problem in words, the same for every occurrence."""
        return self.meaning()

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that belong to the answer, such as when to try again; by default none."""
        return {}


def problem_document(
    *,
    code: str,
    status: int,
    title: str,
    detail: str,
    errors: dict[str, list[str]] | None = None,
    request_id: str = "",
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
    if request_id:
        document["request_id"] = request_id
    return document
