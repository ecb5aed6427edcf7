"""What is known of ldconsole's exit codes, which say little. Pure.

* ``add`` ends with the index of the new emulator, so 0 is a good one too;
* ``remove`` and ``rename`` end with a negative number where they fail, shown unsigned;
* ``copy`` ends with 3 where another copy is under way, and leaves half a clone;
* ``modify`` ends with 4294966291 for a bad value, and with 0 where it has quietly done nothing.
"""

COPY_UNDER_WAY = 3
NO_SUCH = 4294966296
"""``copy`` and ``remove`` of an emulator that is not there."""
BAD_VALUE = 4294966291
"""``modify`` with a value that it does not take."""

_SIGN = 2**31
_MEANINGS = {NO_SUCH: "there is no such emulator", BAD_VALUE: "a value that it does not take"}


def signed(exit_code: int) -> int:
    """Return the exit code as the program meant it: Windows shows negative ones unsigned."""
    return exit_code - 2 * _SIGN if exit_code >= _SIGN else exit_code


def in_words(exit_code: int) -> str:
    """Return the exit code for people: ``exit code -1000 (4294966296, there is no such emulator)``."""
    code = signed(exit_code)
    if code == exit_code:
        return f"exit code {exit_code}"
    meaning = _MEANINGS.get(exit_code)
    return f"exit code {code} ({exit_code}{f', {meaning}' if meaning else ''})"
