"""script/test says what it lacks before it runs anything, and hands its arguments to pytest."""

import os
import subprocess

from tests.running import ROOT

Outcome = subprocess.CompletedProcess[str]


def script_test(*arguments: str, **variables: str) -> Outcome:
    return subprocess.run(
        [ROOT / "script/test", *arguments],
        cwd="/",
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_a_browser_that_does_not_start_fails_the_run() -> None:
    done = script_test("tests/medimgr/test_units.py", CHROMIUM="/nowhere/chromium")
    assert done.returncode == 1
    assert "The tests cannot run: CHROMIUM=/nowhere/chromium does not start." in done.stderr
    assert "passed" not in done.stdout


def test_arguments_go_to_pytest() -> None:
    chromium = os.environ.get("MEDIMGR_TEST_CHROMIUM", "")
    done = script_test("-q", "tests/medimgr/test_units.py", "-k", "megabytes", CHROMIUM=chromium)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert "=== " not in done.stdout.replace("=====", "")


def test_a_failing_test_fails_the_run() -> None:
    done = script_test("-q", "tests/no_such_file.py", CHROMIUM=os.environ.get("MEDIMGR_TEST_CHROMIUM", ""))
    assert done.returncode not in (0, 1), "pytest's own status has to come through"
