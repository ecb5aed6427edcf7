"""Conventions that nobody has to remember, because a test does."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands
from django.utils.module_loading import import_string

import medimgr

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("medimgr", "monitoring", "operations", "workstations")
LONGEST_FILE = 400


def tracked(*patterns: str) -> list[Path]:
    """Return the files of the repository that match, new ones included, ignored ones not."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def our_python() -> list[Path]:
    return [path for path in tracked("*.py") if "migrations" not in path.parts]


# --- code ----------------------------------------------------------------------------------------


def test_every_middleware_can_run_async() -> None:
    """One that cannot makes Django give every request, streams included, a thread of its own."""
    sync_only = [name for name in settings.MIDDLEWARE if not import_string(name).async_capable]
    assert sync_only == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        named(path)
        for path in our_python()
        if path.read_text(encoding="utf-8").strip() and not ast.get_docstring(ast.parse(path.read_bytes()))
    ]
    assert silent == []


def test_no_file_is_longer_than_a_room() -> None:
    paths = [
        path for path in tracked("*.py", "*.js", "*.css", "*.html", "script/*") if "vendor" not in path.parts
    ]
    lengths = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_file_is_a_junk_drawer() -> None:
    """`services.py` too: here the word means what is supervised, and only the command may have it."""
    drawers = {"utils.py", "helpers.py", "services.py", "misc.py", "common.py"}
    allowed = ROOT / "monitoring/management/commands/services.py"
    assert [named(path) for path in our_python() if path.name in drawers and path != allowed] == []


def test_no_process_is_started_through_asyncio_or_a_shell() -> None:
    """asyncio takes a thread per child on Python 3.11 and reaps behind the supervisor's back."""
    banned = re.compile(r"create_subprocess_(exec|shell)|\bshell=True|os\.system\(|preexec_fn")
    assert [
        named(path) for path in our_python() if path != Path(__file__) and banned.search(code_of(path))
    ] == []


def code_of(path: Path) -> str:
    """Return a file without its comments and docstrings, so that prose may name what code may not."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not is_text(part)] or [ast.Pass()]
    return ast.unparse(tree)


def is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def test_every_command_of_ours_is_run_by_a_test() -> None:
    ours = {name for name, app in get_commands().items() if str(app).split(".")[0] in PACKAGES}
    tests = "\n".join(path.read_text(encoding="utf-8") for path in tracked("tests/*.py"))
    assert ours, "No command was found at all."
    assert {name for name in ours if f'"{name}"' not in tests} == set()


# --- templates and static files ------------------------------------------------------------------


class InlineCode(HTMLParser):
    """Collects what the Content-Security-Policy would block."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        data_block = names.get("type") in {"application/json", "importmap"}
        if tag == "style" or (tag == "script" and "src" not in names and not data_block):
            self.found.append(f"<{tag}>")
        self.found += [f"{tag} {name}" for name in names if name == "style" or name.startswith("on")]
        for name in ("src", "href", "action"):
            value = (names.get(name) or "").strip().lower()
            if value.startswith("javascript:") or (
                tag in {"script", "link"} and value.startswith(("http", "//"))
            ):
                self.found.append(f"{tag} {name}={value}")


def inline_code_of(html: str) -> list[str]:
    parser = InlineCode()
    parser.feed(re.sub(r"{#.*?#}|{% comment.*?endcomment %}", "", html, flags=re.DOTALL))
    return parser.found


def test_no_template_holds_inline_code_or_asks_a_stranger_for_it() -> None:
    found = {named(path): inline_code_of(path.read_text(encoding="utf-8")) for path in tracked("*.html")}
    assert {name: code for name, code in found.items() if code} == {}


@pytest.mark.parametrize(
    "html",
    [
        "<script>go()</script>",
        "<style>p{}</style>",
        '<p style="color:red">',
        '<a onclick="go()">',
        '<a href="javascript:go()">',
        '<script src="https://cdn.example/x.js"></script>',
    ],
)
def test_the_search_for_inline_code_finds(html: str) -> None:
    assert inline_code_of(html)


def test_only_one_script_opens_a_stream() -> None:
    openers = [
        named(path) for path in tracked("*.js") if "new EventSource" in path.read_text(encoding="utf-8")
    ]
    assert openers in ([], ["medimgr/events/static/events/event-client.js"])


# --- settings, requirements, versions --------------------------------------------------------------


def variables_read() -> set[str]:
    """Return the names that settings.py and the first administrator's command read."""
    text = (ROOT / "medimgr/settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", text))
    for path in our_python():
        if path.parts[-4:-1] != ("medimgr", "management", "commands"):
            continue
        read |= set(re.findall(r"environ(?:\.get)?[(\[]\"([A-Z_]+)\"", path.read_text(encoding="utf-8")))
    return {name for name in read if not name.endswith("_FILE")}


def example_variables() -> set[str]:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return set(re.findall(r"^([A-Z_]+)=", text, flags=re.MULTILINE))


def test_the_example_environment_lists_exactly_what_is_read() -> None:
    assert example_variables() == variables_read()


def test_the_settings_page_has_a_row_for_every_variable() -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([A-Z_]+)`", text, flags=re.MULTILINE)) == example_variables()


def test_every_requirement_is_pinned_and_says_why_it_is_here() -> None:
    pinned = re.compile(r"^[A-Za-z0-9_.\-]+(\[[a-z,]+\])?==[0-9][^ ]*\s+# .{10,}$")
    for path in tracked("requirements*.txt"):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
        loose = [line for line in lines if not pinned.match(line) and line != "-r requirements.txt"]
        assert loose == [], named(path)


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", changelog, flags=re.MULTILINE)
    assert newest, "CHANGELOG.md has no heading such as: ## [0.1.0]"
    assert medimgr.__version__ == project["version"] == newest[1]


# --- tests -----------------------------------------------------------------------------------------


def sleeps(path: Path) -> Iterator[str]:
    """Yield the calls of ``sleep`` with a fixed duration that are not the pause of a loop.

    One with a comment beside it, which says what it is for, is allowed.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    tree = ast.parse(path.read_bytes())
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.While | ast.For)]
    polling = {id(node) for loop in loops for node in ast.walk(loop)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "sleep"
            and isinstance(node.args[0], ast.Constant)
            and id(node) not in polling
            and not any("#" in line for line in lines[max(0, node.lineno - 2) : node.end_lineno])
        ):
            yield f"{named(path)}:{node.lineno}"


def test_tests_wait_for_conditions_instead_of_sleeping() -> None:
    """A sleep is allowed where a comment beside it says what it is for, and in the waiting itself."""
    waiting = ROOT / "tests/running.py"
    # The small programs that tests run as services sleep for a living.
    paths = [path for path in tracked("tests/*.py") if path != waiting and path.parent.name != "programs"]
    assert [place for path in paths for place in sleeps(path)] == []


def test_scripts_can_be_run() -> None:
    scripts = [path for path in tracked("script/*", ".ci/*") if path.parent.name in {"script", ".ci"}]
    assert {"bootstrap", "server", "test", "run"} <= {path.name for path in scripts}
    assert [named(path) for path in scripts if not os.access(path, os.X_OK)] == []


def test_every_module_can_be_imported() -> None:
    """A file that only a rare path imports still has to be importable."""
    for path in our_python():
        relative = path.relative_to(ROOT)
        if relative.parts[0] in PACKAGES and relative.name not in {"__main__.py", "settings.py"}:
            import_module(".".join(relative.with_suffix("").parts).removesuffix(".__init__"))
    assert "monitoring.models" in sys.modules
