"""What every test of operations may use."""

from collections.abc import Iterator

import pytest

from operations import registry
from tests.operations.asking import declare


@pytest.fixture(autouse=True)
def kinds() -> Iterator[None]:
    """Declare the kind ``service.work``, and forget after the test what it declared besides."""
    before = registry.all_kinds()
    declare()
    yield
    for name in registry.all_kinds():
        registry.unregister(name)
    for kind in before.values():
        registry.register(kind)
