"""How an emulator may be called when we call it: what ldconsole takes, and what can be read back. Pure.

Others call theirs as they like, and :mod:`workstations.ldplayer.list2` reads what there is.
"""

import re

from workstations.winrm.decoding import decoded

LONGEST_TITLE = 60
LONGEST_KEPT = 200
"""Of the titles that others have given; what is longer is cut."""

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_VARIABLE = re.compile(r"%[^%]+%")
_QUOTES_AND_COMMAS = {",": "a comma", '"': "a double quote", "'": "an apostrophe"}


def title_fault(title: str) -> str:
    """Return what is wrong with ``title`` as a new name, in one sentence; empty: nothing."""
    for fault in (_form_fault, _character_fault, _encoding_fault):
        if words := fault(title):
            return words
    return ""


def kept_title(title: str) -> str:
    """Return a title that was read as the database keeps it: cut, without what it can't hold."""
    return _UNSTORABLE.sub("\ufffd", title)[:LONGEST_KEPT]


def _form_fault(title: str) -> str:
    if not title.strip():
        return "Give a name."
    if title != title.strip():
        return "A name can't begin or end with a space."
    if len(title) > LONGEST_TITLE:
        return f"A name may have {LONGEST_TITLE} characters; this one has {len(title)}."
    if title.startswith("-"):
        return "A name can't begin with a hyphen: ldconsole would take it for an option."
    if title.isdigit():
        return "A name can't be all digits: ldconsole would take it for an index."
    return ""


def _character_fault(title: str) -> str:
    for character, name in _QUOTES_AND_COMMAS.items():
        if character in title:
            return f"A name can't have {name} in it: ldconsole quotes nothing in its lists."
    if variable := _VARIABLE.search(title):
        return f"A name can't have {variable.group()} in it: Windows may take that for a variable."
    if not title.isprintable():
        unseen = next(character for character in title if not character.isprintable())
        return f"A name can't have characters that are not seen: U+{ord(unseen):04X} is one."
    return ""


def _encoding_fault(title: str) -> str:
    """ldconsole prints in GBK wherever it was measured; what is lost in it could never be read back."""
    try:
        printed = title.encode("gbk")
    except UnicodeEncodeError as error:
        return f"{title[error.start]!r} can't be in a name: ldconsole prints in GBK, which does not have it."
    read_back = decoded(printed, "").text
    if read_back == title:
        return ""
    return (
        f"What ldconsole prints of this name would be read as {read_back!r}: its bytes in GBK are good UTF-8 "
        "too. Choose another one."
    )
