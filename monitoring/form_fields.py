"""Form fields that let people write lists and variables the way they would anywhere else."""

import json
import re
import shlex
from typing import Any

from django import forms
from django.core.exceptions import ValidationError


class WrittenField(forms.CharField):
    """A field whose text stands for a structure. ``written`` shows it, ``understood`` reads it back."""

    opening = ""
    """The character that JSON for this structure begins with; JSON is always understood too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, strip=True)

    def written(self, value: Any) -> str:
        """Return the text that a person would write for ``value``."""
        raise NotImplementedError

    def understood(self, text: str) -> Any:
        """Return the structure that ``text`` stands for. Raises ValueError, with words for people."""
        raise NotImplementedError

    def prepare_value(self, value: Any) -> Any:
        """Return what the widget shows: what was typed, or the stored structure in writing."""
        return value if isinstance(value, str) else self.written(value)

    def to_python(self, value: Any) -> Any:
        """Return the structure. Raises ValidationError."""
        if not isinstance(value, str):
            return value
        text = value.strip()
        try:
            return json.loads(text) if text.startswith(self.opening) else self.understood(text)
        except json.JSONDecodeError as error:
            raise ValidationError(
                f"This begins like JSON, but is none (line {error.lineno}, column {error.colno}).", "json"
            ) from None
        except ValueError as error:
            raise ValidationError(str(error), "unreadable") from None

    def validate(self, value: Any) -> None:
        """Refuse nothing where something is needed. What is in it is the model's to judge."""
        if self.required and not value:
            raise ValidationError(self.error_messages["required"], "required")

    def run_validators(self, value: Any) -> None:
        """Skip CharField's, which are for texts."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the text stands for something else than ``initial``."""
        try:
            return bool(self.to_python(data if data is not None else "") != initial)
        except ValidationError:
            return True


class CommandField(WrittenField):
    """A program and its arguments in one line, with quotes as in a shell; nothing is expanded."""

    opening = "["

    def written(self, value: Any) -> str:
        """Return the command as one would type it."""
        return shlex.join(str(part) for part in value or [])

    def understood(self, text: str) -> Any:
        """Return the list of arguments. Raises ValueError for a quote that is not closed."""
        try:
            return shlex.split(text)
        except ValueError:
            raise ValueError(
                "A quote is not closed. Quote parts that contain spaces, as in a shell."
            ) from None


class VariablesField(WrittenField):
    """Environment variables, one ``NAME=value`` a line."""

    opening = "{"

    def written(self, value: Any) -> str:
        """Return lines, or JSON where a value has several lines of its own."""
        pairs = (value or {}).items()
        if any(
            set("\r\n") & set(str(setting)) or str(setting) != str(setting).strip() for _, setting in pairs
        ):
            return json.dumps(value, indent=2, ensure_ascii=False)
        return "\n".join(f"{name}={setting}" for name, setting in pairs)

    def understood(self, text: str) -> Any:
        """Return names and values. Raises ValueError naming the line that is no pair."""
        found: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            name, equals, setting = line.strip().partition("=")
            if not equals:
                # The line itself may be half a secret, so it is only counted.
                raise ValueError(f"Line {number} has no '='. Write NAME=value.")
            if name.strip() in found:
                raise ValueError(f"{name.strip()} is set twice, the second time in line {number}.")
            found[name.strip()] = setting.strip()
        return found


class NumbersField(WrittenField):
    """Whole numbers with commas or spaces between them."""

    opening = "["

    def written(self, value: Any) -> str:
        """Return ``8001, 8002``."""
        return ", ".join(str(number) for number in value or [])

    def understood(self, text: str) -> Any:
        """Return the numbers. Raises ValueError naming what is none."""
        numbers = []
        for word in re.split(r"[,;\s]+", text):
            if word and not re.fullmatch(r"[0-9]{1,9}", word):
                raise ValueError(f"{word!r} is not a whole number.")
            if word:
                numbers.append(int(word))
        return numbers


class SignalsField(WrittenField):
    """Names of signals with commas or spaces between them; ``TERM`` means ``SIGTERM``."""

    opening = "["

    def written(self, value: Any) -> str:
        """Return ``SIGTERM, SIGINT``."""
        return ", ".join(str(name) for name in value or [])

    def understood(self, text: str) -> Any:
        """Return the names, in full. Whether there are such signals is the declaration's to judge."""
        words = [word.upper() for word in re.split(r"[,;\s]+", text) if word]
        return [word if word.startswith("SIG") else f"SIG{word}" for word in words]


class LimitsField(WrittenField):
    """Limits of the system, one ``NAME=soft`` or ``NAME=soft:hard`` a line."""

    opening = "{"

    def written(self, value: Any) -> str:
        """Return lines; one number stands for both limits."""
        return "\n".join(
            f"{name}={':'.join(map(str, limit)) if isinstance(limit, list) else limit}"
            for name, limit in (value or {}).items()
        )

    def understood(self, text: str) -> Any:
        """Return limits by name. Raises ValueError naming the line that is none."""
        found: dict[str, Any] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            name, equals, limit = (part.strip() for part in line.partition("="))
            if not equals or not limit:
                raise ValueError(f"Line {number} is no limit. Write NAME=soft or NAME=soft:hard.")
            if name.lower() in found:
                raise ValueError(f"{name} is set twice, the second time in line {number}.")
            amounts = [_amount(word.strip(), name, number) for word in limit.split(":")]
            found[name.lower()] = amounts[0] if len(amounts) == 1 else amounts
        return found


def _amount(word: str, name: str, line: int) -> int | str:
    if word.lower() in {"unlimited", "infinity"}:
        return "unlimited"
    if not re.fullmatch(r"[0-9]{1,19}", word):
        raise ValueError(f"Line {line}: {word!r} is no limit of {name}. Write a whole number or unlimited.")
    return int(word)
