"""What operations on emulators take is checked where they are asked for, with a sentence for each fault."""

from typing import Any

import pytest

from operations.exceptions import BadParameters
from operations.models import Operation
from operations.requester import Requester
from workstations.actions import request_action
from workstations.emulator_kinds.parameters import InstallParameters
from workstations.models import Emulator, Workstation

pytestmark = pytest.mark.django_db
ALICE = Requester("alice", "api")


@pytest.fixture
def emulator() -> Emulator:
    workstation = Workstation.objects.create(name="pc-1", host="pc-1.example")
    return Emulator.objects.create(workstation=workstation, index=0, title="shop")


def refused(target: Workstation | Emulator, verb: str, parameters: dict[str, Any]) -> dict[str, list[str]]:
    """Return the fields and sentences with which it is refused."""
    with pytest.raises(BadParameters) as caught:
        request_action(target, verb, ALICE, parameters=parameters)  # type: ignore[arg-type]
    assert not Operation.objects.exists()
    for sentence in (one for some in caught.value.errors.values() for one in some):
        assert sentence in caught.value.detail
    return caught.value.errors


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("", "Give a name"),
        ("a,b", "comma"),
        ('a"b', "double quote"),
        ("a'b", "apostrophe"),
        ("-a", "hyphen"),
        ("123", "all digits"),
        ("a" * 61, "60 characters"),
        (" a", "space"),
        ("a\tb", "not seen"),
        ("😀", "GBK"),
    ],
)
def test_a_title_that_ldconsole_cannot_take_is_refused_everywhere(
    emulator: Emulator, title: str, words: str
) -> None:
    for verb in ("rename", "clone"):
        assert words in refused(emulator, verb, {"title": title})["title"][0]
    assert words in refused(emulator.workstation, "create-emulator", {"title": title})["title"][0]


@pytest.mark.parametrize("title", ["shop 2", "店铺", "a" * 60, "été_1"])
def test_a_title_that_it_can_take_is_stored_as_it_is(emulator: Emulator, title: str) -> None:
    assert request_action(emulator, "rename", ALICE, parameters={"title": title}).parameters == {
        "title": title
    }


@pytest.mark.parametrize(
    ("parameters", "field", "words"),
    [
        ({"cpu": 5}, "cpu", "1, 2, 3 or 4"),
        ({"cpu": 0}, "cpu", "1, 2, 3 or 4"),
        ({"cpu": "many"}, "cpu", "integer"),
        ({"memory_mb": 1000}, "memory_mb", "1024"),
        ({"width": 960}, "parameters", "together"),
        ({"width": 960, "height": 540, "dpi": 5}, "parameters", "density"),
        ({"width": 9, "height": 540, "dpi": 160}, "parameters", "width"),
        ({}, "parameters", "what to change"),
        ({"imei": "auto"}, "imei", "not permitted"),
    ],
)
def test_hardware_that_ldconsole_would_ignore_is_refused(
    emulator: Emulator, parameters: dict[str, Any], field: str, words: str
) -> None:
    assert words in refused(emulator, "modify", parameters)[field][0]
    if parameters:
        create = {"title": "new"} | parameters
        assert words in refused(emulator.workstation, "create-emulator", create)[field][0]


def test_a_new_emulator_may_leave_its_hardware_to_ldplayer(emulator: Emulator) -> None:
    asked = request_action(emulator.workstation, "create-emulator", ALICE, parameters={"title": "new"})
    assert asked.parameters == {
        "title": "new",
        "cpu": None,
        "memory_mb": None,
        "width": None,
        "height": None,
        "dpi": None,
    }


@pytest.mark.parametrize(
    ("parameters", "field", "words"),
    [
        ({}, "parameters", "path of an APK"),
        ({"path": "shop.apk"}, "path", "whole path"),
        ({"path": r"C:\apps\shop.exe"}, "path", "whole path"),
        ({"path": 'C:\\apps\\"shop.apk'}, "path", "whole path"),
        ({"path": "C:\\apps\\shop\n.apk"}, "path", "whole path"),
        ({"path": "C:\\" + "a" * 300 + ".apk"}, "path", "at most 260"),
        ({"package": "shop"}, "package", "package name"),
        ({"package": "com.example; rm -r /"}, "package", "package name"),
    ],
)
def test_an_app_is_a_file_on_the_workstation_or_a_package(
    emulator: Emulator, parameters: dict[str, Any], field: str, words: str
) -> None:
    assert words in refused(emulator, "install-app", parameters)[field][0]


def test_a_path_may_be_written_with_slashes_and_in_any_language() -> None:
    assert InstallParameters(path="C:/应用/shop 2.APK").path == r"C:\应用\shop 2.APK"


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "delete"])
def test_what_takes_nothing_refuses_whatever_it_is_given(emulator: Emulator, verb: str) -> None:
    assert "force" in refused(emulator, verb, {"force": True})
