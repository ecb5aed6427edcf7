"""Text of other programs, made fit for JSON, both databases and a page. Pure."""

import re

# Colours and cursor movements of terminals, then every control character but tab and line end.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS: dict[int, str | None] = {
    code: None for code in [*range(32), *range(0x7F, 0xA0)] if code not in (9, 10)
}
# What turns the direction of the text around it, so that a line reads as something else than it is.
_TURNS = dict.fromkeys([0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], "�")


def clean(text: str) -> str:
    """Return ``text`` fit for JSON and a page: newlines end its lines, escapes and controls are gone."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return text.translate(_CONTROLS)


def harmless(text: str) -> str:
    """Return ``text`` as :func:`clean` does, and without what a database refuses or an eye is misled by.

    PostgreSQL takes no half of a surrogate pair; marks of direction show a line in another order. The
    first becomes a question mark, the others a replacement character; every line end becomes a newline.
    """
    text = clean(text.replace("\u2028", "\n").replace("\u2029", "\n"))
    return text.translate(_TURNS).encode("utf-8", "replace").decode("utf-8")
