"""The shapes in which the API takes actions on workstations and emulators, and answers to many at once."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, Field

from medimgr.lib.api_parameters import ReasonText, RowId, Text
from operations.batch_schemas import BatchShape, RefusedTarget
from operations.schemas import OperationShape
from workstations.emulator_kinds.parameters import (
    CreateParameters,
    InstallParameters,
    ModifyParameters,
    TitleParameters,
)


class Asked(BaseModel, extra="forbid"):
    """What may be said about any action."""

    reason: ReasonText = ""


class AskedWith(BaseModel, extra="allow"):
    """An action with parameters. Those are checked where all doors have them checked, in the same words."""

    reason: ReasonText = ""

    def parameters(self) -> dict[str, Any]:
        """Return what is said besides the reason."""
        return dict(self.model_extra or {})


def _described(parameters: type[BaseModel]) -> Callable[[dict[str, Any]], None]:
    """Return what puts the fields of ``parameters`` into the description of the API."""

    def describe(schema: dict[str, Any]) -> None:
        own = parameters.model_json_schema()
        schema["properties"] = {**own["properties"], **schema["properties"]}
        schema["required"] = own.get("required", [])
        schema["additionalProperties"] = False

    return describe


class CreateAsked(AskedWith, json_schema_extra=_described(CreateParameters)):
    """A new emulator."""


class TitleAsked(AskedWith, json_schema_extra=_described(TitleParameters)):
    """A title for an emulator or its clone."""


class ModifyAsked(AskedWith, json_schema_extra=_described(ModifyParameters)):
    """Other hardware."""


class InstallAsked(AskedWith, json_schema_extra=_described(InstallParameters)):
    """An app."""


def _just_one_of(*names: str) -> dict[str, Any]:
    """Return what describes to programs that just one of the fields is given. Pure."""
    return {
        "oneOf": [
            {
                "required": [name],
                "properties": {
                    name: {"not": {"type": "null"}},
                    **{other: {"type": "null"} for other in names if other != name},
                },
            }
            for name in names
        ]
    }


class ManyWorkstations(Asked, json_schema_extra=_just_one_of("workstations", "tag")):
    """Which workstations: just one of the two."""

    workstations: list[RowId] | None = Field(None, min_length=1, max_length=1000, description="Their ids.")
    tag: Text | None = None


class ManyEmulators(Asked, json_schema_extra=_just_one_of("emulators", "tag", "workstation")):
    """Which emulators: just one of the three."""

    emulators: list[RowId] | None = Field(None, min_length=1, max_length=10_000, description="Their ids.")
    tag: Text | None = Field(None, description="All on the workstations with this tag.")
    workstation: RowId | None = Field(None, description="All on this workstation.")


class ManyAnswer(BaseModel):
    """What one request for many came to: operations to follow, and refusals, each with its reason."""

    batch: str
    operations: list[OperationShape]
    refused: list[RefusedTarget]
    state: BatchShape
