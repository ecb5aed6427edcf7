"""The topics that a stream can carry, each with the model whose view permission opens it."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Model

from medimgr.lib.access import may

TICK_TOPIC = "service"
"""Measurements are about services: whoever has this topic gets them."""

_topics: dict[str, type[Model]] = {}


def register(topic: str, model: type[Model]) -> None:
    """Declare ``topic``; whoever may view ``model`` may subscribe. Called in ``AppConfig.ready()``."""
    _topics[topic] = model


def known() -> frozenset[str]:
    """Return the names of all topics."""
    return frozenset(_topics)


def model_of(topic: str) -> type[Model]:
    """Return the model whose view permission opens ``topic``. Raises KeyError for an unknown one."""
    return _topics[topic]


def is_limited(topic: str) -> bool:
    """Return whether what ``topic`` tells of belongs to scopes, so that who is limited hears a part of it.

    No query.
    """
    model = _topics.get(topic)
    return model is None or hasattr(model, "scope_labels")


def visible(user: Any, wanted: Iterable[str]) -> frozenset[str]:
    """Return those of the ``wanted`` topics that ``user`` may see. Queries permissions once per user."""
    return frozenset(t for t in wanted if t in _topics and may(user, "view", _topics[t]))
