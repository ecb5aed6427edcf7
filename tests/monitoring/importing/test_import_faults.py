"""What is wrong with a file is told with file, line, key and mend, all of it at once."""

from pathlib import Path

import pytest

from monitoring.importers.faults import ImportProblem
from monitoring.importers.toml import import_services
from monitoring.models import Node, Service
from tests.factories import make_node, make_service
from tests.monitoring.importing.files import NODE, TWO, faults_of, load, one, write

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("line", "key", "message"),
    [
        ('comand = ["x"]', "services.web.comand", "Unknown key. Did you mean command?"),
        ("zzz = 1", "services.web.zzz", "Unknown key. Known: "),
        ("key = 'x'", "services.web.key", "Unknown key."),
        ("builtin = true", "services.web.builtin", "Unknown key."),
        ("name = 5", "services.web.name", 'Write a text in quotes, such as "web".'),
        ('name = "a\\u0000b"', "services.web.name", "Write a text in quotes"),
        ('name = ""', "services.web.name", "This field cannot be blank."),
        (f'name = "{"n" * 101}"', "services.web.name", "at most 100 characters"),
        ('priority = "high"', "services.web.priority", "Write a whole number."),
        ("priority = true", "services.web.priority", "Write a whole number."),
        ("autostart = 1", "services.web.autostart", "Write true or false."),
        ("start_seconds = nan", "services.web.start_seconds", "Write a number, such as 2.5."),
        ("start_seconds = inf", "services.web.start_seconds", "Write a number, such as 2.5."),
        ("start_seconds = 2030-01-01", "services.web.start_seconds", "Write a number, such as 2.5."),
        ("start_seconds = -1", "services.web.start_seconds", "greater than or equal to 0"),
        ("stop_timeout_seconds = 1e9", "services.web.stop_timeout_seconds", "less than or equal to 3600"),
        ('restart_policy = "sometimes"', "services.web.restart_policy", "'sometimes' is not a valid choice"),
        ("env = 5", "services.web.env", "Write names and values, such as { PORT"),
        ('env = { "A B" = "x" }', "services.web.env", "'A B' is not a name for a variable"),
        ("env = { A = [1] }", "services.web.env", "The value of A has to be a text or a number."),
        ("env = { A = true }", "services.web.env", "The value of A has to be a text or a number."),
        ('env = { A = "\\u0000" }', "services.web.env", "Write names and values"),
        ('env_kept = "A"', "services.web.env_kept", "Write a list of names of variables"),
        ('env_kept = ["A"]', "services.web.env_kept", "There is no value of A to keep. Write it under env."),
        ("ports = 80", "services.web.ports", "Write a list of port numbers"),
        ("ports = [true]", "services.web.ports", "Write a list of port numbers"),
        ("ports = [0]", "services.web.ports", "from 1 to 65535"),
        ("ports = [70000]", "services.web.ports", "from 1 to 65535"),
        ("ports = [80, 80]", "services.web.ports", "A port is listed twice."),
        ('success_exit_codes = ["0"]', "services.web.success_exit_codes", "Write a list of exit codes"),
        ("success_exit_codes = [256]", "services.web.success_exit_codes", "from 0 to 255"),
        ('cwd = "/no/such/place"', "services.web.cwd", "There is no directory /no/such/place."),
        ('user = "nobody-of-this-name"', "services.web.user", "no account 'nobody-of-this-name'"),
        ('umask = "9"', "services.web.umask", "'9' is not an octal number such as 027."),
        ('stop_signal = "SIGNONE"', "services.web.stop_signal", "There is no signal 'SIGNONE'."),
        ('health_kind = "ping"', "services.web.health_kind", "'ping' is not a valid choice"),
        (
            'health_kind = "http"',
            "services.web.health_url",
            "Write a URL such as http://127.0.0.1:8001/health.",
        ),
        ('health_kind = "tcp"', "services.web.health_port", "Give the port that has to accept connections."),
        ("health_port = -1", "services.web.health_port", "greater than or equal to 0"),
        ("depends_on = ['x']", "services.web.depends_on", "Write keys of services and conditions"),
        (
            'depends_on = { x = "here" }',
            "services.web.depends_on.x",
            "Write 'started' or 'healthy' or 'completed'.",
        ),
        (
            'depends_on = { x = "started" }',
            "services.web.depends_on.x",
            "There is no service 'x' in this file",
        ),
        ('depends_on = { web = "started" }', "services.web.depends_on", "in a circle: web → web."),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, key: str, message: str) -> None:
    faults = faults_of(tmp_path, one(line))
    assert [(f.file, f.key) for f in faults] == [(str(tmp_path / "services.toml"), key)]
    assert message in faults[0].message
    # A key that is missing altogether is looked for where its service begins.
    assert faults[0].line == (1 if line.startswith("health_kind") and "ping" not in line else 3)
    assert Service.objects.count() == 0


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        ("[services.web]\nname =\n", 2, "", "This is no valid TOML: Invalid value (column 7)."),
        ("[services.web]\n[services.web]\n", 2, "", "Cannot declare ('services', 'web') twice"),
        ('[services.web]\nname = "open', 2, "", "This is no valid TOML: Unterminated string"),
        ('\n\nname = """open', 3, "", "This is no valid TOML: Unterminated string."),
        ("[services.web]\nport = " + "1" * 5000, 0, "", "Exceeds the limit"),
        ("a = " + "[" * 5000 + "]" * 5000, 0, "", "nested too deep"),
        ("", 0, "", "No service is declared here. Write [services.KEY] for each service."),
        ("[service.web]\n", 1, "service", "Unknown key. Write [services.KEY] for each service."),
        ("[[services]]\n", 1, "services", "This has to be a table: write [services.KEY]"),
        ("services.web = 5\n", 1, "services.web", "This has to be a table: write [services.web]."),
        ("[services.web]\n", 1, "services.web.command", "command is missing. Write one such as"),
        ("\n[services.web]\ncommand = 'ls'\n", 3, "services.web.command", "Write a list of texts"),
        ("[services.web]\ncommand = []\n", 2, "services.web.command", "Write a list of texts"),
        ('[services.web]\ncommand = ["a\\u0000"]\n', 2, "services.web.command", "Write a list of texts"),
        (
            '[services.web]\ncommand = ["no-such"]\n',
            2,
            "services.web.command",
            "no program 'no-such' on the PATH",
        ),
        ('[services.web]\ncommand = ["{project}/no"]\n', 2, "services.web.command", "Correct the path"),
        ('[services."Web 1"]\ncommand = ["{python}"]\n', 1, 'services."Web 1"', "Use lower-case letters"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, line: int, key: str, message: str) -> None:
    faults = faults_of(tmp_path, text)
    assert any(f.line == line and f.key == key and message in f.message for f in faults), faults
    assert Service.objects.count() == 0


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImportProblem, match=r"none\.toml: It cannot be read: No such file or directory"):
        import_services(tmp_path / "none.toml", node=NODE)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ImportProblem, match="It cannot be read: Is a directory"):
        import_services(tmp_path, node=NODE)


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(ImportProblem, match="It is larger than 4 MiB"):
        import_services(Path("/dev/zero"), node=NODE)


def test_text_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "services.toml"
    path.write_bytes("[services.web]\nname = 'Zoë'\n".encode("latin-1"))
    with pytest.raises(ImportProblem) as refused:
        import_services(path, node=NODE)
    assert [(f.line, f.message) for f in refused.value.faults] == [
        (2, "It is not UTF-8 text. Save it as UTF-8.")
    ]


def test_all_faults_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = TWO.replace("[9002]", '"9002"').replace('name = "Database"', "nam = 1\nautostart = 3")
    path = write(tmp_path, text)
    with pytest.raises(ImportProblem) as refused:
        import_services(path, node=NODE)
    assert str(refused.value) == (
        f"{path} has 3 faults; nothing was imported.\n"
        f"  {path}, line 2: services.database.nam: Unknown key. Did you mean name?\n"
        f"  {path}, line 3: services.database.autostart: Write true or false.\n"
        f"  {path}, line 11: services.backend.ports: Write a list of port numbers, such as [8001]."
    )
    assert refused.value.errors["services.database.autostart"] == ["line 3: Write true or false."]


def test_a_cycle_through_the_file_is_named(tmp_path: Path) -> None:
    text = TWO + '\n[services.database.depends_on]\nbackend = "started"\n'
    faults = faults_of(tmp_path, text)
    assert [f.message for f in faults] == [
        "The dependencies go round in a circle: backend → database → backend. Remove one of them."
    ]
    assert (faults[0].key, faults[0].line) == ("services.backend.depends_on", 11)


def test_a_cycle_that_closes_in_the_database_is_found(tmp_path: Path) -> None:
    load(tmp_path, TWO)
    text = '[services.database]\ncommand = ["{python}"]\ndepends_on = { backend = "started" }\n'
    faults = faults_of(tmp_path, text)
    assert (faults[0].key, faults[0].line) == ("services.database.depends_on", 3)
    assert "backend → database → backend" in faults[0].message


def test_a_port_for_two_services_of_the_file_is_named(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, TWO.replace("[9002]", "[9001]"))
    assert [(f.key, f.line) for f in faults] == [("services.backend.ports", 10)]
    assert faults[0].message.startswith("Port 9001 is declared by 'database' in this file already.")


def test_a_port_of_another_service_of_the_node_is_named(tmp_path: Path) -> None:
    make_service("other", ports=[9002])
    faults = faults_of(tmp_path, TWO)
    assert [f.message for f in faults] == [
        "Port 9002 is declared by 'other' in the database already. Give one of them another port."
    ]


def test_the_same_port_on_another_node_is_fine(tmp_path: Path) -> None:
    make_service("other", ports=[9002], node=make_node("elsewhere"))
    assert len(load(tmp_path, TWO)) == 2


def test_two_services_of_the_file_may_exchange_their_ports(tmp_path: Path) -> None:
    load(tmp_path, TWO)
    text = TWO.replace("[9001]", "[0]").replace("[9002]", "[9001]").replace("[0]", "[9002]")
    assert {c.what for c in load(tmp_path, text)} == {"changed"}


def test_a_service_of_another_node_is_not_moved(tmp_path: Path) -> None:
    make_service("backend", node=make_node("elsewhere"))
    faults = faults_of(tmp_path, TWO)
    assert [(f.key, f.line) for f in faults] == [("services.backend", 6)]
    assert "It is declared on node 'elsewhere'." in faults[0].message


def test_one_of_our_own_processes_is_not_redeclared(tmp_path: Path) -> None:
    make_service("backend", builtin=True)
    assert "This is one of medimgr's own processes." in faults_of(tmp_path, TWO)[0].message


def test_a_file_with_faults_makes_no_node(tmp_path: Path) -> None:
    faults_of(tmp_path, one("autostart = 1"))
    assert Node.objects.count() == 0
