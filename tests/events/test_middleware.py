"""Streams pass medimgr's own middleware by, and nobody else's."""

from pathlib import Path

from django.conf import settings
from pytest_django import DjangoDbBlocker

from medimgr.asgi import PASSED_OVER
from tests.events.conftest import Site, running_site


def test_all_of_medimgrs_own_middleware_may_be_passed_by() -> None:
    assert set(settings.MIDDLEWARE) == PASSED_OVER


def test_what_it_would_do_for_a_stream_is_done_all_the_same(site: Site) -> None:
    with site.connect() as stream:
        status, headers = stream.answer()
        assert status == 200
        assert headers["x-content-type-options"] == "nosniff"
    with site.connect(topics="no-such") as stream:
        status, headers = stream.answer()
        assert status == 400
        assert headers["content-length"]
    with site.connect(headers={"Host": "elsewhere.example"}) as stream:
        assert stream.answer()[0] == 400
    with site.connect("nobodys0session") as stream:
        assert stream.answer()[0] == 401


def test_through_middleware_of_somebody_else_every_stream_goes(
    tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    with (
        django_db_blocker.unblock(),
        running_site(
            tmp_path, django_db_blocker, DJANGO_SETTINGS_MODULE="tests.events.marked_settings"
        ) as site,
        site.connect() as stream,
    ):
        status, headers = stream.answer()
        assert (status, headers["x-marked"]) == (200, "yes")
        stream.next("hello")
        for number in range(3):
            site.publish("service", f"s{number}")
            assert stream.next("service").data["key"] == f"s{number}"
        stream.close()
        site.wait_for_rows(0, 2)
        site.assert_quiet()
