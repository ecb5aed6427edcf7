"""What the operations on emulators take, checked the same at every door. Pure."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

PROCESSORS = (1, 2, 3, 4)
MEMORY_MB = (256, 512, 768, 1024, 1536, 2048, 4096, 8192)
LEAST_SIDE, GREATEST_SIDE = 240, 7680
LEAST_DPI, GREATEST_DPI = 60, 960
_APK = re.compile(r"[A-Za-z]:\\[^<>:\"|?*\x00-\x1f]*[^<>:\"|?*\x00-\x1f\\]\.(?:apk|xapk)", re.IGNORECASE)
_PACKAGE = re.compile(r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)+", re.ASCII)


def _fault(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("workstations", "{sentence}", {"sentence": sentence})


def _title(value: str) -> str:
    if not 0 < len(value) <= 60 or value != value.strip() or not value.isprintable():
        raise _fault("A title has 1 to 60 characters that can be seen, and no space at its ends.")
    if value.isdecimal() or value.startswith("-") or set(value) & set(",\"'"):
        raise _fault("ldconsole can't take a title of digits alone, with - at its begin, or with , \" or '.")
    return value


def _one_of(values: tuple[int, ...], what: str) -> AfterValidator:
    def check(value: int) -> int:
        if value not in values:
            *some, last = map(str, values)
            raise _fault(f"ldconsole takes {', '.join(some)} or {last} {what}, not {value}.")
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


Title = Annotated[str, AfterValidator(_title)]
Processors = Annotated[int, _one_of(PROCESSORS, "processors")]
Memory = Annotated[int, _one_of(MEMORY_MB, "MB of memory")]
Side = Annotated[int, Field(ge=LEAST_SIDE, le=GREATEST_SIDE)]
Dpi = Annotated[int, Field(ge=LEAST_DPI, le=GREATEST_DPI)]


class Hardware(BaseModel, extra="forbid"):
    """Processors, memory and screen of an emulator; what is None is left as it is."""

    cpu: Processors | None = None
    memory_mb: Memory | None = None
    width: Side | None = None
    height: Side | None = None
    dpi: Dpi | None = None

    @model_validator(mode="after")
    def _screen_is_whole(self) -> Self:
        given = [value is not None for value in (self.width, self.height, self.dpi)]
        if any(given) and not all(given):
            raise _fault("Give width, height and dpi together: ldconsole takes the three as one.")
        return self

    @property
    def resolution(self) -> tuple[int, int, int] | None:
        """Return width, height and dpi; None where the screen is left as it is."""
        if self.width is None or self.height is None or self.dpi is None:
            return None
        return self.width, self.height, self.dpi

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
