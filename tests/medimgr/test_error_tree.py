"""One tree of problems: ten branches, every kind on one of them, with a code, a remedy and a real path."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from medimgr import error_tree
from medimgr.lib.problems import Problem
from tests.running import ROOT

PACKAGES = ("medimgr", "operations", "monitoring", "workstations")
LISTS = {
    "medimgr/api_failures.py",
    "medimgr/error_tree.py",
    "operations/words.py",
    "monitoring/error_words.py",
    "workstations/error_words.py",
}
"""They name problems without raising any."""
TREE = error_tree.tree()
KINDS = [kind for kinds in TREE.values() for kind in kinds]


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Yield the module name and the tree of every source file."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            place = path.relative_to(ROOT)
            if "migrations" not in place.parts:
                yield str(place), ast.parse(path.read_text(encoding="utf-8"))


def module_of(place: str) -> str:
    return ".".join(Path(place).with_suffix("").parts).removesuffix(".__init__")


def imported(module: ast.Module) -> dict[str, tuple[str, str]]:
    """Return what each name of a file stands for: module and name there."""
    return {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_there_are_the_ten_branches_and_none_is_bare() -> None:
    assert len(TREE) == 10
    assert {branch: len(kinds) for branch, kinds in TREE.items() if len(kinds) < 3} == {}


def test_every_kind_hangs_on_one_branch() -> None:
    ours = [kind for kind in error_tree.below(Problem) if kind.__module__.split(".")[0] in PACKAGES]
    assert [kind for kind in ours if kind.code != Problem.code and kind.branch not in TREE] == []


def test_no_kind_is_missing_from_the_tree() -> None:
    """Found in the sources, since what nobody has imported is not among the subclasses."""
    all_kinds: list[type[Problem]] = [Problem, *error_tree.below(Problem)]
    known = {(kind.__module__, kind.__name__) for kind in all_kinds}
    missing = []
    for place, module in sources():
        names = imported(module)
        for node in ast.walk(module):
            if not isinstance(node, ast.ClassDef):
                continue
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            above = [names.get(base, (module_of(place), base)) for base in bases]
            own = (module_of(place), node.name)
            if any(base in known for base in above) and (own not in known or own[0] not in error_tree.HOMES):
                missing.append(f"{place}: {node.name} (name its module in error_tree.HOMES)")
    assert missing == []


def test_every_code_is_of_one_kind_alone() -> None:
    codes = [kind.code for kind in KINDS]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_kind_says_what_it_means_and_what_to_do(kind: type[Problem]) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", kind.code)
    assert 400 <= kind.status <= 599
    assert len(kind.meaning()) <= 110
    for words in (kind.meaning(), kind.remedy):
        assert words[:1].isupper(), words
        assert words.endswith("."), words
        assert "|" not in words, words


class Uses(ast.NodeVisitor):
    """The names that a file raises, makes, or ends an operation with; not what it catches or only names."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_Module(self, node: ast.Module) -> None:
        for statement in node.body:
            if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
                self.visit(statement)
                continue
            # A list of kinds raises none of them; a table of problems that are made does.
            if isinstance(statement.value, ast.Attribute):
                self.visit(statement.value)
            for one in ast.walk(statement.value):
                if isinstance(one, ast.Call):
                    self.found.add(_name(one.func))

    def visit_Call(self, node: ast.Call) -> None:
        name = _name(node.func)
        if name in {"isinstance", "issubclass"}:
            return
        self.found.add(name)
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        if node.exc is not None:
            self.found.add(_name(node.exc))
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in {"code", "for_want_of"}:
            self.found.add(_name(node.value))
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.found |= {_name(node.body), _name(node.orelse)}
        self.generic_visit(node)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        self.found |= {_name(one) for one in node.elts}
        self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        for statement in node.body:
            self.visit(statement)

    def visit_Compare(self, node: ast.Compare) -> None:
        pass

    def visit_arg(self, node: ast.arg) -> None:
        pass

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            self.visit(statement)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def test_the_search_tells_raising_from_catching_and_naming() -> None:
    uses = Uses()
    uses.visit(
        ast.parse(
            "ALL = (Listed, Told.code)\nTABLE = {1: Made('x')}\nCODE = Kept.code\n"
            "def f(a: Annotated) -> Answered:\n"
            "    try:\n        raise Raised from None\n"
            "    except Caught:\n        end(Ended.code)\n"
            "    if isinstance(a, Asked) or a.code == Compared.code:\n        raise (One if a else Other)()\n"
        )
    )
    wanted = {"Made", "Kept", "Raised", "Ended", "One", "Other"}
    assert uses.found & {
        *wanted,
        "Listed",
        "Told",
        "Annotated",
        "Answered",
        "Caught",
        "Asked",
        "Compared",
    } == (wanted)


def test_every_kind_is_raised_somewhere() -> None:
    raised: set[tuple[str, str]] = set()
    for place, module in sources():
        if place in LISTS:
            continue
        uses, names = Uses(), imported(module)
        uses.visit(module)
        module_name = module_of(place)
        raised |= {names.get(name, (module_name, name)) for name in uses.found}
        # ``problems.Name`` of an imported module.
        raised |= {(f"{source}.{what}", name) for source, what in names.values() for name in uses.found}
    kinds = {(kind.__module__, kind.__name__): kind for kind in KINDS}
    aliases = {("operations.exceptions", "NotPermitted"), ("operations.exceptions", "BadFilter")}
    assert aliases <= raised, "The search finds what is raised."
    dead = [kind for place, kind in kinds.items() if place not in raised and not _raised_below(kind, raised)]
    assert [kind.__qualname__ for kind in dead] == []


def _raised_below(kind: type[Problem], raised: set[tuple[str, str]]) -> bool:
    """Whether a kind without a code of its own, which so has this one's, is raised."""
    return any(
        "code" not in vars(one) and (one.__module__, one.__name__) in raised for one in error_tree.below(kind)
    )
