"""Fresh clones of this repository for tests of the scripts: as git sees the working tree, nothing ignored."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.running import ROOT, clean_environment


def make_clone(copy: Path) -> Path:
    """Copy what git tracks or would track to ``copy``, commit it there, and return the place."""
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    git(copy, "init", "--quiet")
    git(copy, "add", "--all")
    git(copy, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "All")
    return copy


def git(directory: Path, *arguments: str) -> str:
    """Run git and return what it printed."""
    done = subprocess.run(
        ["git", *arguments], cwd=directory, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def give_packages(clone: Path) -> None:
    """Make .venv with the packages that run this test, so that pip finds all there and fetches nothing."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", clone / ".venv"], check=True)
    (site,) = (clone / ".venv/lib").glob("python3*/site-packages")
    (site / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")


def newcomers_environment(**variables: str) -> dict[str, str]:
    """Return this environment without any variable of medimgr's, so that the clone's .env counts."""
    ours = {name for name, value in clean_environment().items() if value == ""}
    prefixes = ("MEDIMGR_", "DJANGO_", "DATABASE_")
    kept = {k: v for k, v in os.environ.items() if k not in ours and not k.startswith(prefixes)}
    return kept | variables
