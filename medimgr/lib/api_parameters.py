"""What query strings, headers and bodies of the API may hold, once for all of its parts."""

from typing import Annotated, Any

from ninja import Header
from pydantic import BaseModel, Field, StringConstraints

# A NUL is a legal character in JSON and in a URL, and an error in PostgreSQL.
Text = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
"""One line of text for a filter or a name."""
ReasonText = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$", strip_whitespace=True)]
"""Why somebody wants something done."""
RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]
"""A primary key that both databases can compare with."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        None,
        alias="Idempotency-Key",
        max_length=200,
        pattern=r"^[\x20-\x7e]+$",
        description="The same key with the same request returns the same operation again.",
    ),
]


class Page(BaseModel):
    """Which part of a list is wanted."""

    limit: int = Field(100, ge=1, le=1000, description="At most so many items.")
    offset: int = Field(0, ge=0, le=10**9, description="Pass over so many items first.")

    def cut(self, rows: Any) -> Any:
        """Return the wanted part of a list or query set."""
        return rows[self.offset : self.offset + self.limit]
