"""Accounts and groups that a file gives by number: here they go by name."""

import grp
import pwd


def account_name(text: str) -> str:
    """Return the name of an account, which may be given by its number; what is unknown stays as it is."""
    if not _is_number(text):
        return text
    try:
        return pwd.getpwuid(int(text)).pw_name
    except (KeyError, OverflowError):
        return text


def group_name(text: str) -> str:
    """Return the name of a group, which may be given by its number; what is unknown stays as it is."""
    if not _is_number(text):
        return text
    try:
        return grp.getgrgid(int(text)).gr_name
    except (KeyError, OverflowError):
        return text


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 11
