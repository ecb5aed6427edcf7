"""The set-up script gives a workstation what the host check demands of it, and takes back all that it did."""

import re

from django.core.validators import MaxValueValidator

from tests.running import ROOT
from workstations.host_findings import _BESIDE, LEAST_MEMORY_MB, LEAST_PROCESSES
from workstations.models import Workstation

SCRIPT = (ROOT / "docs/windows-setup.ps1").read_text(encoding="utf-8")
DOCUMENT = (ROOT / "docs/workstations.md").read_text(encoding="utf-8")


def function(name: str) -> str:
    """Return the body of a function of the script."""
    found = re.search(rf"^function {name}\b.*?^}}", SCRIPT, re.MULTILINE | re.DOTALL)
    assert found is not None, name
    return found[0]


def test_its_quotas_are_enough_for_the_most_that_may_be_done_at_once() -> None:
    quotas = {name: int(value) for name, value in re.findall(r"(Max\w+) = (\d+)", SCRIPT)}
    validators = Workstation._meta.get_field("concurrency").validators
    most = next(one.limit_value for one in validators if isinstance(one, MaxValueValidator))
    assert quotas["MaxShellsPerUser"] >= most + _BESIDE
    assert quotas["MaxProcessesPerShell"] >= LEAST_PROCESSES
    assert quotas["MaxMemoryPerShellMB"] >= LEAST_MEMORY_MB


def test_every_switch_that_the_document_names_is_one_of_the_script() -> None:
    parameters = set(re.findall(r"^    \[(?:string|switch)\S*\] \$(\w+)", SCRIPT, re.MULTILINE))
    section = DOCUMENT.split("\n## Setting up a workstation, once\n")[1].split("\n## ")[0]
    commands = re.sub(r"#.*", "", section)
    named = set(re.findall(r"(?<=[ `])-([A-Z]\w+)", commands)) - {"ExecutionPolicy", "File", "WhatIf"}
    assert named == parameters


def test_what_it_sets_is_noted_before_and_set_back() -> None:
    noted, undone, done = function("Save-Before"), function("Undo-All"), function("Set-Up")
    for what in ("AllowUnencrypted", "Quotas", "Policy", "StartType", "Listeners", "Rules", "MemberAdded"):
        assert what in noted, what
        assert f"before.{what}" in undone, what
    assert done.index("Save-Before") < done.index("Step ")


def test_it_opens_the_firewall_for_nobody_else() -> None:
    rules = re.findall(r"New-NetFirewallRule.*?Out-Null", SCRIPT, re.DOTALL)
    assert rules
    assert all("-RemoteAddress $MedimgrAddress" in rule for rule in rules)
    assert "quickconfig" not in re.sub(r"#.*", "", SCRIPT)
    assert "$true" not in re.findall(r"Set-Item WSMan:\S+AllowUnencrypted (\S+)", SCRIPT)
