"""A limited account on real streams of a real web worker: what is not in its reach does not exist."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from medimgr.accounts.models import AccountScope
from monitoring.models import Service
from tests.events.conftest import HEARTBEAT, Site
from tests.events.limits import limit
from tests.events.stream_client import StreamClient
from tests.factories import make_service

LOG_PERMISSIONS = ("view_service", "tail_service")


@pytest.fixture
def clerk(site: Site) -> str:
    """The session of somebody who may look at services and their logs in the group ``a``."""
    session = site.person("clerk", *LOG_PERMISSIONS)
    with site.instance.database():
        limit(User.objects.get(username="clerk"), "a")
    return session


@pytest.fixture
def services(site: Site) -> tuple[Service, Service]:
    """One service in the group ``a``, one in ``b``."""
    with site.instance.database():
        Service.objects.all().delete()
        return make_service("web", group="a"), make_service("vault", group="b", name="Top Secret")


def save(site: Site, service: Service, **fields: Any) -> None:
    """Change a service as its admin does."""
    with site.instance.database():
        for name, value in fields.items():
            setattr(service, name, value)
        service.save()


def until_last(client: StreamClient, key: str) -> list[dict[str, Any]]:
    """Return what came up to the event about ``key``, measurements and all."""
    seen = []
    while True:
        message = client.next("service", "tick")
        seen.append(message.data)
        if message.data.get("key") == key:
            return seen


def test_events_and_measurements_are_of_what_is_in_reach(
    site: Site, clerk: str, services: tuple[Service, Service]
) -> None:
    web, vault = services
    limited, free = site.open(clerk), site.open()
    save(site, vault, name="Still Secret")
    site.tick("n1", {"web": [1.0, 2.0], "vault": [3.0, 4.0]})
    free.next("tick")
    site.tick("n1", {"web": [1.0, 2.0], "vault": [5.0, 6.0]})
    free.next("tick")
    save(site, web, name="Shop")
    seen = until_last(limited, "web")
    assert [one["services"] for one in seen if "services" in one] == [{"web": [1.0, 2.0]}]
    assert "ecret" not in str(seen)
    assert "vault" not in str(seen)
    for stream in (limited, free):
        stream.close()


def test_what_is_moved_out_of_reach_is_gone_and_what_is_moved_into_it_is_there(
    site: Site, clerk: str, services: tuple[Service, Service]
) -> None:
    web, vault = services
    with site.open(clerk) as limited:
        save(site, web, group="b", name="Now Secret")
        assert limited.next("service").data == {"deleted": True, "key": "web"}
        site.tick("n2", {"web": [9.0, 9.0]})
        save(site, vault, group="a", name="Known")
        assert limited.next("service", "tick").data == {"declared": True, "name": "Known", "key": "vault"}
        site.tick("n2", {"web": [9.0, 9.0], "vault": [8.0, 8.0]})
        assert limited.next("tick").data["services"] == {"vault": [8.0, 8.0]}


def test_who_comes_back_has_missed_what_he_would_have_heard(
    site: Site, clerk: str, services: tuple[Service, Service]
) -> None:
    web, vault = services
    with site.open(clerk) as limited:
        since = limited.hello["last_event_id"]
    save(site, vault, name="Secret")
    save(site, web, name="Shop")
    save(site, web, group="b")
    with site.open(clerk, last_event_id=since) as again:
        assert [again.next("service").data for _ in range(2)] == [
            {"declared": True, "name": "Shop", "key": "web"},
            {"deleted": True, "key": "web"},
        ]


def test_a_group_that_was_changed_behind_our_back_is_known_by_the_next_heartbeat(
    site: Site, clerk: str, services: tuple[Service, Service]
) -> None:
    with site.open(clerk) as limited, site.instance.database():
        Service.objects.filter(key="web").update(group="b")
        limited.next("heartbeat")
        limited.next("heartbeat", timeout=5 * HEARTBEAT + 5)
        site.tick("n3", {"web": [1.0, 1.0], "vault": [1.0, 1.0]})
        Service.objects.filter(key="vault").update(group="a")
        seen = []
        for value in range(2, 200):
            site.tick("n3", {"web": [value, 1.0], "vault": [value, 1.0]})
            seen.append(limited.next("tick", "heartbeat"))
            if seen[-1].name == "tick":
                break
        assert set(seen[-1].data["services"]) == {"vault"}


@pytest.mark.parametrize("change", ["narrowed", "widened", "lifted"])
def test_a_scope_that_changes_ends_the_stream_within_a_heartbeat(site: Site, clerk: str, change: str) -> None:
    limited, free = site.open(clerk), site.open()
    with site.instance.database():
        user = User.objects.get(username="clerk")
        if change == "lifted":
            AccountScope.objects.filter(user=user).delete()
        else:
            limit(user, *{"narrowed": (), "widened": ("a", "b")}[change])
    (bye,) = [message for message in limited.until_end() if message.name == "bye"]
    assert bye.data["reason"] == "session-ended"
    free.next("heartbeat")
    for stream in (limited, free):
        stream.close()


def test_a_log_out_of_reach_is_refused_as_if_there_were_no_such_service(
    site: Site, clerk: str, services: tuple[Service, Service]
) -> None:
    bodies = []
    for key in ("vault", "nowhere"):
        client = site.connect(clerk, log=key)
        body = client.body()
        client.close()
        bodies.append(body.replace(key.encode(), b"KEY"))
    assert b"unknown-service" in bodies[0]
    without_id = [body.partition(b'"request_id"')[0] for body in bodies]
    assert without_id[0] == without_id[1]


def test_a_log_ends_when_its_service_leaves_the_scope(
    site: Site, clerk: str, services: tuple[Service, Service]
) -> None:
    web, _ = services
    log = _log_of(site, "web")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("first\n")
    with site.open(clerk, log="web") as limited:
        assert limited.next("log").data["lines"] == ["first"]
        save(site, web, group="b")
        ended = limited.next("log").data
        assert (ended["lines"], "no service" in ended["problem"]) == ([], True)
        log.write_text("first\nsecret\n")
        limited.next("heartbeat")
        limited.next("heartbeat", timeout=5 * HEARTBEAT + 5)
        assert not [message for message in limited.messages if message.name == "log"]


def _log_of(site: Site, key: str) -> Path:
    return site.instance.data_dir / "logs" / f"{key}.log"
