"""Rules for regular expressions that the supervisor matches against lines of a log. Pure.

Python's engine tries again and again where a pattern can match one text in many ways, and nothing can
interrupt it: a pattern that takes hours on one unlucky line would stop the supervisor. So what can
explode is refused: a repeated part that varies in itself, and many parts that match anything.
"""

import re
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any

MOST_CHARACTERS = 200
MOST_ANYTHING = 2
"""So many open-ended parts that match (nearly) anything: each more multiplies the time by a line's length."""
_FEW = 10

# The parser that re itself uses; its tree shows what would otherwise have to be guessed from the text.
_parser: Any = import_module("re._parser")
_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}


def pattern_fault(pattern: Any) -> str:
    """Return what is wrong with a regular expression, empty where nothing is."""
    if not isinstance(pattern, str) or not pattern:
        return 'Write the regular expression that a line of its log has to match, such as "listening on".'
    if len(pattern) > MOST_CHARACTERS:
        return f"It has {len(pattern)} characters; {MOST_CHARACTERS} are the most."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern)
            tree = _parser.parse(pattern)
    except (re.error, Warning, OverflowError, RecursionError) as error:
        return (
            f"This is no regular expression: {error}. For the character itself write a backslash before it, "
            "as in \\( or \\[."
        )
    if _explodes(tree):
        return (
            "It repeats a part that varies in itself, which can take hours on one line. Write it without the "
            "outer * or +."
        )
    if _anything(tree) > MOST_ANYTHING:
        return (
            f"It has more than {MOST_ANYTHING} parts such as .* that match anything, which can take minutes "
            "on one line. Match a shorter piece of the line; .* at its beginning and end is not needed."
        )
    return ""


def _parts(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yield operation and argument of the parts of a parsed pattern, on its uppermost level."""
    for operation, argument in tree:
        yield str(operation), argument


def _below(operation: str, argument: Any) -> list[Any]:
    """Return the patterns inside of a part."""
    if operation in _REPEATS:
        return [argument[2]]
    if operation == "SUBPATTERN":
        return [argument[3]]
    if operation == "BRANCH":
        return list(argument[1])
    if operation in {"ASSERT", "ASSERT_NOT"}:
        return [argument[1]]
    if operation == "ATOMIC_GROUP":
        return [argument]
    if operation == "GROUPREF_EXISTS":
        return [inner for inner in argument[1:] if inner is not None]
    return []


def _explodes(tree: Any) -> bool:
    for operation, argument in _parts(tree):
        inside = _below(operation, argument)
        if operation in _REPEATS and int(argument[1]) > _FEW and any(_varies(inner) for inner in inside):
            return True
        if operation in {"GROUPREF", "GROUPREF_IGNORE"}:
            return True
        if any(_explodes(inner) for inner in inside):
            return True
    return False


def _varies(tree: Any) -> bool:
    """Return whether a pattern can match the same beginning of a text in more than one way."""
    for operation, argument in _parts(tree):
        if operation == "BRANCH" or (operation in _REPEATS and argument[0] != argument[1]):
            return True
        if any(_varies(inner) for inner in _below(operation, argument)):
            return True
    return False


def _anything(tree: Any) -> int:
    """Return how many open-ended repeats of something that matches most characters there are."""
    count = 0
    for operation, argument in _parts(tree):
        inside = _below(operation, argument)
        if operation in _REPEATS and int(argument[1]) > _FEW and _is_wide(argument[2]):
            count += 1
        count += sum(_anything(inner) for inner in inside)
    return count


def _is_wide(tree: Any) -> bool:
    for operation, argument in _parts(tree):
        if operation in {"ANY", "NOT_LITERAL"}:
            return True
        if operation == "IN" and any(
            str(kind) == "NEGATE"
            or (str(kind) == "CATEGORY" and ("_NOT_" in str(what) or "WORD" in str(what)))
            for kind, what in argument
        ):
            return True
        if any(_is_wide(inner) for inner in _below(operation, argument)):
            return True
    return False
