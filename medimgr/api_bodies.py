"""What the API reads as the body of a request: JSON, or a form; nothing that no database could store."""

import json
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser

from medimgr.lib.branches import ValidationProblem

DEEPEST = 32
"""So many levels a body may have. Ours need four; a thousand would end in the depths of some encoder."""
_FORMS = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})


class NotJson(ValidationProblem):
    """The body is not JSON."""

    code = "bad-json"
    status = 400
    remedy = "Send a JSON object, or no body; the message says where it stops being JSON."


class UnsupportedMediaType(ValidationProblem):
    """The body is of a kind that is not read here."""

    code = "unsupported-media-type"
    status = 415
    remedy = "Send JSON, with Content-Type: application/json."


class BodyParser(Parser):
    """Reads JSON, and forms too: a POST without anything to say often comes as an empty form."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the body. Raises NotJson and UnsupportedMediaType (which ninja wraps: see ``__cause__``)."""
        kind = (request.content_type or "").lower()
        if kind in _FORMS:
            return dict(request.POST.items())
        if kind not in {"", "application/json"} and not kind.endswith("+json"):
            raise UnsupportedMediaType(
                f"The body is said to be {kind[:60]!r}. Send JSON, with Content-Type: application/json."
            )
        return read_json(request.body)


def read_json(body: bytes) -> Any:
    """Return what ``body`` says. Raises NotJson, with what is wrong with it. Pure."""
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise NotJson(_too_deep()) from None
    except ValueError as error:  # UnicodeDecodeError and too many digits are ValueErrors too
        place = (
            f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        )
        raise NotJson(f"The body is not JSON{place}. Send a JSON object or no body.") from None
    _check(value)
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _check(value: Any) -> None:
    """Raise NotJson for what is nested too deeply, and for halves of characters. Not recursive itself."""
    level = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for one in level:
            if isinstance(one, str):
                _check_text(one)
            elif isinstance(one, dict):
                for name in one:
                    _check_text(name)
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
        if not below:
            return
        level = below
    raise NotJson(_too_deep())


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise NotJson(
                "The body holds half a character (a lone surrogate), which is no text. Send whole ones."
            ) from None


def _too_deep() -> str:
    return f"The body is nested more than {DEEPEST} levels deep. Nothing here needs that."
