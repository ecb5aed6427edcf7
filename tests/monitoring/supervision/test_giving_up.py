"""A service is given up where that was asked for, and tried once more after a while."""

from pathlib import Path

from tests.monitoring.supervision.ward import Ward


def test_a_fatal_exit_code_gives_it_up_and_it_is_tried_once_more(shared_ward: Ward, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    service = shared_ward.declare(
        command=["/bin/sh", "-c", f"[ -e {mended} ] || exit 78; exec sleep 600"],
        fatal_exit_codes=[78],
        fatal_retry_seconds=1.0,
        start_seconds=0.3,
    )
    status = shared_ward.reaches(service, "FATAL", reason="fatal-exit")
    assert status.detail == "exited with code 78"
    mended.touch()
    back = shared_ward.reaches(service, "RUNNING")
    assert (back.reason, back.restarts >= 1) == ("fatal-exit", True)


def test_without_a_retry_it_stays_given_up_until_somebody_starts_it(
    shared_ward: Ward, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    service = shared_ward.declare(
        command=["/bin/sh", "-c", f"[ -e {mended} ] || exit 78; exec sleep 600"], fatal_exit_codes=[78]
    )
    shared_ward.reaches(service, "FATAL", reason="fatal-exit")
    operation = shared_ward.act(service, "start")
    assert (operation.status, operation.error_code) == ("FAILED", "fatal-exit")
    mended.touch()
    assert shared_ward.act(service, "start").status == "SUCCESS"
    assert len(shared_ward.runs(service)) == 3


def test_a_service_that_fails_again_and_again_is_flapping_until_it_is_stable(
    shared_ward: Ward, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    service = shared_ward.declare(
        command=["/bin/sh", "-c", f"[ -e {mended} ] || exit 1; exec sleep 600"],
        backoff_base_seconds=0.02,
        backoff_cap_seconds=0.1,
        stable_seconds=0.5,
        start_seconds=0.1,
    )
    shared_ward.wait(lambda: shared_ward.status(service).flapping, "it is said to be flapping")
    mended.touch()
    shared_ward.reaches(service, "RUNNING")
    shared_ward.reaches(service, "RUNNING", flapping=False)
