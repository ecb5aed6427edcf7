"""Keys to sign tokens with."""

import pytest
from pytest_django import Settings

from tests.medimgr.accounts.logging_in import KEYS


@pytest.fixture
def keys(settings: Settings) -> tuple[str, ...]:
    """Have this installation sign tokens."""
    settings.MEDIMGR_TOKEN_KEYS = KEYS
    return KEYS
