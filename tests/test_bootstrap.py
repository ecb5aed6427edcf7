"""script/bootstrap in a fresh copy of this repository: once, twice, and where something is missing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloning import git, give_packages, make_clone, newcomers_environment

Outcome = subprocess.CompletedProcess[str]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone in a directory with a space, as home directories may have."""
    return make_clone(tmp_path / "a clone")


def bootstrap(clone: Path, *arguments: str, **variables: str) -> Outcome:
    return subprocess.run(
        [clone / "script/bootstrap", *arguments],
        cwd="/",
        env=newcomers_environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def variable(clone: Path, name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", (clone / ".env").read_text(), flags=re.MULTILINE)
    assert found, f"{name} is not in .env"
    return found[1]


def test_a_fresh_clone_gets_all_it_needs_and_stays_clean(clone: Path) -> None:
    give_packages(clone)
    first = bootstrap(clone)
    assert first.returncode == 0, first.stdout + first.stderr
    assert (clone / ".env").stat().st_mode & 0o777 == 0o600
    assert len(variable(clone, "DJANGO_SECRET_KEY")) >= 50
    assert variable(clone, "MEDIMGR_NODE") == os.uname().nodename.split(".")[0]
    assert re.search(r"password:\s+\S{24}", first.stdout)
    assert (clone / "var/medimgr.sqlite3").is_file()
    assert services_of(clone) == "7"
    assert git(clone, "status", "--porcelain") == ""

    before = (clone / ".env").read_bytes()
    second = bootstrap(clone)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "password" not in second.stdout
    assert (clone / ".env").read_bytes() == before
    assert services_of(clone) == "7"
    assert git(clone, "status", "--porcelain") == ""


def services_of(clone: Path) -> str:
    code = "from monitoring.models import Service; print(Service.objects.filter(builtin=False).count())"
    done = subprocess.run(
        [clone / ".venv/bin/python", "manage.py", "shell", "-v0", "-c", code],
        cwd=clone,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_services_that_are_there_keep_the_demo_away(clone: Path) -> None:
    give_packages(clone)
    assert bootstrap(clone, "--without-demo").returncode == 0
    assert services_of(clone) == "0"


def test_an_env_file_of_ones_own_gets_only_the_key_that_it_lacks(clone: Path) -> None:
    give_packages(clone)
    (clone / ".env").write_text("MEDIMGR_NODE=mine\nDJANGO_SECRET_KEY=\nTZ=Europe/Berlin\n")
    done = bootstrap(clone, "--without-demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert variable(clone, "MEDIMGR_NODE") == "mine"
    assert variable(clone, "TZ") == "Europe/Berlin"
    assert len(variable(clone, "DJANGO_SECRET_KEY")) >= 50


def test_packages_that_cannot_be_had_are_said_plainly(clone: Path, tmp_path: Path) -> None:
    (clone / "requirements.txt").write_text("no-such-package-of-ours==1\n")
    give_packages(clone)
    done = bootstrap(clone, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert done.returncode == 1
    assert "pip could not install requirements.txt" in done.stderr
    assert "PIP_INDEX_URL=" in done.stderr
    assert not (clone / ".env").exists()


def test_an_unknown_argument_is_refused(clone: Path) -> None:
    done = bootstrap(clone, "--fast")
    assert done.returncode == 1
    assert "does not know the argument --fast" in done.stderr


def path_with(directory: Path, python: str) -> str:
    """Return a PATH on which the only Python is this shell script."""
    directory.mkdir()
    for name in ("python3.13", "python3.12", "python3.11", "python3"):
        (directory / name).write_text(f"#!/bin/sh\n{python}\n")
        (directory / name).chmod(0o755)
    for tool in ("dirname", "head", "cat", "id", "basename"):
        (directory / tool).symlink_to(shutil.which(tool) or "")
    # /usr/bin/env has to find bash as well.
    (directory / "bash").symlink_to(shutil.which("bash") or "")
    return str(directory)


def test_an_old_python_is_named_with_what_to_install(clone: Path, tmp_path: Path) -> None:
    old = 'case "$1" in --version) echo "Python 3.9.2";; *) exit 1;; esac'
    done = bootstrap(clone, PATH=path_with(tmp_path / "bin", old))
    assert done.returncode == 1
    assert "needs Python 3.11 or newer; found: Python 3.9.2 (python3.13)" in done.stderr
    assert "apt-get install python3" in done.stderr


def test_a_python_without_venv_is_named_with_the_package_that_has_it(clone: Path, tmp_path: Path) -> None:
    bare = f'case "$*" in *ensurepip*) exit 1;; esac; exec "{sys.executable}" "$@"'
    done = bootstrap(clone, PATH=path_with(tmp_path / "bin", bare))
    assert done.returncode == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert "has no venv and ensurepip modules" in done.stderr
    assert f"apt-get install python{version}-venv" in done.stderr
    assert not (clone / ".venv").exists()
