"""What the operations on emulators take, checked the same at every door. Pure."""

import re
from collections.abc import Callable
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from workstations.ldplayer.names import title_fault
from workstations.ldplayer.values import Resolution, memory_fault, processors_fault, resolution_fault

T = TypeVar("T", str, int)
_APK = re.compile(r"[A-Za-z]:\\[^<>:\"|?*\x00-\x1f]*[^<>:\"|?*\x00-\x1f\\]\.(?:apk|xapk)", re.IGNORECASE)
_PACKAGE = re.compile(r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)+", re.ASCII)


def _fault(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("workstations", "{sentence}", {"sentence": sentence})


def _must(fault_of: Callable[[T], str]) -> AfterValidator:
    """Return a check that refuses what ``fault_of`` has a sentence about."""

    def check(value: T) -> T:
        if sentence := fault_of(value):
            raise _fault(sentence)
        return value

    return AfterValidator(check)


def _path(value: str) -> str:
    path = value.replace("/", "\\")
    if path and not _APK.fullmatch(path):
        raise _fault(r"Write the whole path of the file on the workstation, as C:\apps\shop.apk.")
    return path


def _package(value: str) -> str:
    if value and not _PACKAGE.fullmatch(value):
        raise _fault("Write the app's package name, as com.example.shop.")
    return value


Title = Annotated[str, _must(title_fault)]
Processors = Annotated[int, _must(processors_fault)]
Memory = Annotated[int, _must(memory_fault)]


class Hardware(BaseModel, extra="forbid"):
    """Processors, memory and screen of an emulator; what is None is left as it is."""

    cpu: Processors | None = None
    memory_mb: Memory | None = None
    width: int | None = None
    height: int | None = None
    dpi: int | None = None

    @model_validator(mode="after")
    def _screen_is_whole(self) -> Self:
        given = [value is not None for value in (self.width, self.height, self.dpi)]
        if any(given) and not all(given):
            raise _fault("Give width, height and dpi together: ldconsole takes the three as one.")
        if self.resolution is not None and (sentence := resolution_fault(self.resolution)):
            raise _fault(sentence)
        return self

    @property
    def resolution(self) -> Resolution | None:
        """Return width, height and dpi; None where the screen is left as it is."""
        if self.width is None or self.height is None or self.dpi is None:
            return None
        return Resolution(self.width, self.height, self.dpi)

    @property
    def empty(self) -> bool:
        """Return whether it asks for nothing."""
        return self.cpu is None and self.memory_mb is None and self.resolution is None


class CreateParameters(Hardware):
    """A new emulator: its title, and its hardware where that is not to be LDPlayer's own choice."""

    title: Title


class TitleParameters(BaseModel, extra="forbid"):
    """The title that an emulator, or its clone, is to get."""

    title: Title


class ModifyParameters(Hardware):
    """The hardware that an emulator is to get."""

    @model_validator(mode="after")
    def _something_is_given(self) -> Self:
        if self.empty:
            raise _fault("Say what to change: cpu, memory_mb, or width, height and dpi.")
        return self


class InstallParameters(BaseModel, extra="forbid"):
    """An app: a file on the workstation, or a package of LDPlayer's own store.

    With both, the file is installed and the package is what has to be there then.
    """

    path: Annotated[str, Field(max_length=260), AfterValidator(_path)] = ""
    package: Annotated[str, Field(max_length=200), AfterValidator(_package)] = ""

    @model_validator(mode="after")
    def _something_is_given(self) -> Self:
        if not self.path and not self.package:
            raise _fault("Give the path of an APK file on the workstation, or the package to install.")
        return self
