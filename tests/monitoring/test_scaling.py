"""How many copies of a service there are is changed, or refused in words."""

import pytest

from monitoring.exceptions import CannotScale, UnknownService
from monitoring.models import Service
from monitoring.scaling import scale
from tests.factories import make_service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def keys() -> list[str]:
    return sorted(Service.objects.values_list("key", flat=True))


def test_scaling_says_what_came_and_what_went() -> None:
    make_service("web", ports=[8001])
    up = scale("web", 3)
    assert (up.before, up.keys, up.added, up.removed) == (
        1,
        ("web", "web-2", "web-3"),
        ("web-2", "web-3"),
        (),
    )
    down = scale("web", 1)
    assert (down.keys, down.added, down.removed) == (("web",), (), ("web-2", "web-3"))
    assert scale("web", 1).keys == ("web",)
    assert keys() == ["web"]


@pytest.mark.parametrize("instances", [0, -1, 101])
def test_a_number_out_of_range_is_refused(instances: int) -> None:
    make_service("web")
    with pytest.raises(CannotScale) as caught:
        scale("web", instances)
    assert f"web cannot have {instances} copies" in caught.value.detail
    assert list(caught.value.errors) == ["instances"]
    assert keys() == ["web"]


def test_a_copy_is_not_scaled_but_its_original() -> None:
    make_service("web", instances=2)
    with pytest.raises(CannotScale, match=r"web-2 is copy 2 of web\. Scale web instead"):
        scale("web-2", 3)


def test_medimgrs_own_processes_are_not_scaled() -> None:
    make_service("medimgr-web-1", builtin=True)
    with pytest.raises(CannotScale, match="--workers"):
        scale("medimgr-web-1", 3)


def test_an_unknown_service_is_named() -> None:
    with pytest.raises(UnknownService, match="'nobody'"):
        scale("nobody", 2)


def test_ports_that_would_run_out_are_a_fault_of_scaling() -> None:
    make_service("web", ports=[65534])
    with pytest.raises(CannotScale, match="65535"):
        scale("web", 3)
    scale("web", 2)


def test_what_else_is_wrong_with_the_declaration_does_not_keep_it_from_scaling() -> None:
    make_service("web", command=["/no/such/program"])
    assert len(scale("web", 2).keys) == 2


def test_a_key_that_is_taken_is_named() -> None:
    make_service("web")
    make_service("web-2")
    with pytest.raises(CannotScale, match="web-2, which a copy would be called"):
        scale("web", 2)
    assert Service.objects.get(key="web").instances == 1
