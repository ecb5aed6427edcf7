"""Encrypts small secrets for the database, with keys that can be changed without losing anything.

Fernet (AES-128-CBC with HMAC-SHA256) of the cryptography package; the first key of
``MEDIMGR_ENCRYPTION_KEYS`` seals, each of them opens.
"""

from typing import TYPE_CHECKING

from django.conf import settings

from medimgr.lib.branches import ConfigurationProblem

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

# The package is imported where it is used: most processes never see a password, and it takes 10 MB.


class NoKey(ConfigurationProblem):
    """There is no key to encrypt with."""

    code = "no-encryption-key"
    status = 503
    remedy = "Set MEDIMGR_ENCRYPTION_KEYS (script/bootstrap writes one into .env) and start medimgr anew."


class Unreadable(ConfigurationProblem):
    """What is stored was encrypted with a key that is not among the keys any more."""

    code = "secret-unreadable"
    status = 503
    remedy = "Add the key that it was stored with behind the others, or enter the password again."


def sealed(secret: str) -> str:
    """Return ``secret`` encrypted with the first key. No query. Raises NoKey."""
    return _keys().encrypt(secret.encode()).decode()


def unsealed(token: str) -> str:
    """Return what was sealed. No query. Raises NoKey, or Unreadable where none of the keys fits."""
    from cryptography.fernet import InvalidToken

    try:
        return _keys().decrypt(token.encode()).decode()
    except InvalidToken:
        raise Unreadable(
            "A stored password can't be read with the keys in MEDIMGR_ENCRYPTION_KEYS. Add the key that it "
            "was stored with behind the others, or enter the password again."
        ) from None


def resealed(token: str) -> str:
    """Return the same secret encrypted with the first key. No query. Raises as :func:`unsealed` does."""
    return sealed(unsealed(token))


def is_newest(token: str) -> bool:
    """Return whether the first key opens ``token``. No query. Raises NoKey."""
    from cryptography.fernet import Fernet, InvalidToken

    _keys()  # raises where there is none
    try:
        Fernet(settings.MEDIMGR_ENCRYPTION_KEYS[0]).decrypt(token.encode())
    except InvalidToken:
        return False
    return True


def new_key() -> str:
    """Return a new random key, as ``MEDIMGR_ENCRYPTION_KEYS`` takes it."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


def _keys() -> "MultiFernet":
    from cryptography.fernet import Fernet, MultiFernet

    if not settings.MEDIMGR_ENCRYPTION_KEYS:
        raise NoKey(
            "Passwords can't be stored: there is no key. Set MEDIMGR_ENCRYPTION_KEYS (script/bootstrap "
            "writes one into .env) and restart medimgr."
        )
    return MultiFernet([Fernet(key) for key in settings.MEDIMGR_ENCRYPTION_KEYS])
