"""The image and compose.yaml, as far as they can be tried without an engine.

hadolint reads the Dockerfile. What it copies is copied, past .dockerignore, into a directory of its own;
there its entry point, its command and its health check are run as they stand, with this clone's packages.
"""

import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.running import ROOT, Instance, accepts_connections, free_port
from tests.test_architecture import example_variables, tracked

Step = tuple[str, str]


def instructions() -> list[Step]:
    """Return the instructions of the Dockerfile: the word and the rest, joined where it goes on."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split()[0], line.partition(" ")[2]) for line in joined.splitlines()]


def last_stage() -> list[Step]:
    """Return those of what is shipped."""
    steps = instructions()
    begin = max(number for number, (word, _) in enumerate(steps) if word == "FROM")
    return steps[begin:]


def of(word: str) -> str:
    """Return the rest of the one instruction that begins with ``word``."""
    [found] = [rest for name, rest in last_stage() if name == word]
    return found


def sent(path: str) -> bool:
    """Return whether .dockerignore lets a file of the clone near the engine."""
    verdict = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        wanted, pattern = line.startswith("!"), line.removeprefix("!")
        parts = [path, *map(str, Path(path).parents)]
        # "**/x" is x at any depth.
        names = [part for part in parts if part != "."]
        names += [Path(part).name for part in names] if pattern.startswith("**/") else []
        if fnmatch.filter(names, pattern.removeprefix("**/")):
            verdict = wanted
    return verdict


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in /app of the image."""
    app = tmp_path_factory.mktemp("image")
    known = [str(path.relative_to(ROOT)) for path in tracked("*")]
    for word, rest in last_stage():
        if word != "COPY" or rest.startswith("--from"):
            continue
        source, target = rest.split()
        for name in known:
            if (name == source or name.startswith(f"{source}/")) and sent(name):
                place = (
                    app / target / Path(name).relative_to(source) if name != source else app / target / name
                )
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, place)
    return app


def environment(instance: Instance, image: Path) -> dict[str, str]:
    """What a container is given: the image's own variables and the installation's."""
    own = dict(re.findall(r"(\w+)=(\S+)", of("ENV")))
    assert own["PYTHONDONTWRITEBYTECODE"] == "1"
    own.pop("MEDIMGR_DATA_DIR")
    own["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {name: value for name, value in instance.env.items() if name != "PYTHONPATH"} | own
    return env | {"PYTHONWARNINGS": "ignore", "DJANGO_ALLOWED_HOSTS": "127.0.0.1,medimgr.example.org"}


# --- the image -------------------------------------------------------------------------------------


def test_hadolint_finds_no_fault_in_the_dockerfile() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run(
        [str(hadolint), "--failure-threshold", "style", str(ROOT / "Dockerfile")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_as_a_number_that_is_not_root_and_is_asked_how_it_is() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", of("USER"))
    words = [word for word, _ in last_stage()]
    # Whatever comes after the user can't be undone by root.
    assert words.index("USER") > max(number for number, word in enumerate(words) if word in {"RUN", "COPY"})
    assert json.loads(of("ENTRYPOINT"))
    assert json.loads(of("HEALTHCHECK").partition("CMD ")[2])


def test_nothing_of_it_is_a_secret() -> None:
    words = {word for word, _ in instructions()}
    assert words.isdisjoint({"ARG", "ADD"})
    told = " ".join(rest for word, rest in instructions() if word == "ENV")
    assert not re.search(r"(KEY|TOKEN|PASSWORD|SECRET|DATABASE_URL)", told)


@pytest.mark.parametrize(
    "name",
    [".env", ".git/config", "var/medimgr.sqlite3", "secrets/secret_key", "medimgr/.env", "tests/running.py",
     "docs/metrics.md", ".venv/bin/python", "medimgr/__pycache__/settings.cpython-311.pyc", "compose.yaml"],
)  # fmt: skip
def test_what_is_the_clone_s_own_gets_nowhere_near_it(name: str) -> None:
    assert not sent(name)


def test_all_code_is_in_it(image: Path) -> None:
    wanted = {
        str(path.relative_to(ROOT))
        for path in tracked("*")
        if path.relative_to(ROOT).parts[0]
        in {"medimgr", "monitoring", "operations", "workstations", "templates"}
    }
    there = {str(path.relative_to(image)) for path in image.rglob("*") if path.is_file()}
    assert there == wanted | {"manage.py"}


def test_it_serves_is_well_and_ends_in_order_without_writing_into_itself(
    instance: Instance, image: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in image.rglob("*")}
    env = environment(instance, image)
    port = free_port()
    bind = json.loads(of("CMD"))
    assert bind[-1] == "0.0.0.0:8000"
    bind[-1] = f"127.0.0.1:{port}"
    entry = json.loads(of("ENTRYPOINT"))
    health = [*json.loads(of("HEALTHCHECK").partition("CMD ")[2])[:-1], str(port)]

    def run(command: list[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=image, env=env, capture_output=True, text=True, timeout=60, check=False
        )

    assert run([*entry, "migrate", "--no-input"]).returncode == 0
    sick = run(health)
    assert (sick.returncode, "Nobody answers" in sick.stderr) == (1, True)
    with (instance.directory / "container.log").open("ab") as sink:
        process = subprocess.Popen([*entry, *bind], cwd=image, env=env, stdout=sink, stderr=sink)
    try:
        instance.wait_for(lambda: accepts_connections(port), 30, "the port is open")
        instance.wait_for(lambda: run(health).returncode == 0, 30, "the health check is content")
        process.send_signal(getattr(signal, of("STOPSIGNAL")))
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
    assert {path: path.stat().st_mtime_ns for path in image.rglob("*")} == before


# --- compose.yaml ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return found


def test_all_that_compose_names_is_declared(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
        named = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert named <= set(compose["volumes"]), name
        for value in service.get("environment", {}).values():
            if str(value).startswith("/run/secrets/"):
                assert str(value).removeprefix("/run/secrets/") in service["secrets"], f"{name}: {value}"


def test_every_variable_in_it_is_one_of_medimgr_s(compose: dict[str, Any]) -> None:
    known = example_variables() | {f"{name}_FILE" for name in example_variables()}
    for name, service in compose["services"].items():
        if name != "database":
            assert set(service["environment"]) <= known, name


def test_every_secret_comes_from_a_file_and_none_stands_in_it(compose: dict[str, Any]) -> None:
    assert all(secret["file"].startswith("./secrets/") for secret in compose["secrets"].values())
    for name, service in compose["services"].items():
        for variable, value in service["environment"].items():
            if re.search(r"(SECRET|PASSWORD|TOKEN|KEYS|DATABASE_URL)", variable):
                assert str(value).startswith("/run/secrets/"), f"{name}: {variable}"
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/secrets/" in ignored


def test_ours_have_as_few_rights_as_can_be(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name == "database":
            continue
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_the_commands_are_taken_by_what_the_image_starts(compose: dict[str, Any], image: Path) -> None:
    for name, service in compose["services"].items():
        if "command" not in service:
            continue
        done = subprocess.run(
            [sys.executable, "manage.py", service["command"][0], "--help"],
            cwd=image, env=os.environ | {"DJANGO_SETTINGS_MODULE": "medimgr.settings"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        options = [word for word in service["command"][1:] if word.startswith("--")]
        assert all(option in done.stdout for option in options), name


def test_it_is_waited_for_what_has_to_come_first(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert services["medimgr"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert services["medimgr"]["restart"] == services["database"]["restart"] == "unless-stopped"
    assert services["database"]["healthcheck"]["test"]


def test_the_recipe_for_the_secrets_makes_what_medimgr_takes(
    instance: Instance, image: Path, tmp_path: Path
) -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    recipe = [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ")]
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(recipe)], cwd=tmp_path, check=True, timeout=30
    )
    secrets = tmp_path / "secrets"
    url = (secrets / "database_url").read_text()
    assert re.fullmatch(r"postgresql://medimgr:[0-9a-f]{48}@database/medimgr", url)
    (secrets / "database_url").write_text(instance.database_url)
    named = yaml.safe_load(text)["services"]["medimgr"]["environment"]
    files = {
        name: str(value).replace("/run/secrets", str(secrets))
        for name, value in named.items()
        if name.endswith("_FILE")
    }
    assert len(files) == 5
    env = environment(instance, image) | files | {"DATABASE_URL": "", "DJANGO_SECRET_KEY": ""}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=image, env=env, timeout=60,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
