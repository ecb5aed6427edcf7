"""The seven demo services run as real processes and work together."""

import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from monitoring.demo import blocks
from tests.monitoring.demo.running import Demo, demo, eventually, network
from tests.running import ROOT

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR) +\S.*")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Demo]]:
    with network(tmp_path_factory.mktemp("demo")) as services:
        yield services


def test_every_service_says_that_it_is_well(running: dict[str, Demo]) -> None:
    for service in running.values():
        answer = service.ask("/health")
        assert answer.status == 200
        assert answer.json["status"] == "ok"
        assert answer.json["pid"] == service.process.pid


def test_a_ballot_travels_from_the_page_to_a_block_and_is_rewarded(running: dict[str, Demo]) -> None:
    cast = running["frontend"].ask("/vote", b"choice=Grace")
    assert cast.status == 303
    receipt = cast.headers["Location"].removeprefix("/?receipt=")
    page = running["frontend"].ask(cast.headers["Location"]).body.decode()
    assert receipt in page

    height = eventually(lambda: running["backend"].ask(f"/receipts/{receipt}").json.get("block"))
    sealed = running["blockchain"].ask(f"/chain?first={height}").json["blocks"][0]
    assert receipt in sealed["ballots"]
    assert running["backend"].health()["handed_over"] >= 1
    assert running["frontend"].ask("/api/tally").json["tally"]["Grace"] >= 1

    eventually(lambda: running["incentive"].health()["credited_up_to"] >= height)
    balances = running["incentive"].ask("/balances").json["balances"]
    assert balances[sealed["miner"]] > 10 * height


def test_the_chain_is_a_chain(running: dict[str, Demo]) -> None:
    eventually(lambda: running["blockchain"].health()["height"] >= 5)
    chain = [blocks.read_block(block) for block in running["blockchain"].ask("/chain").json["blocks"]]
    blocks.check_links(chain)
    assert [block.height for block in chain[:6]] == [0, 1, 2, 3, 4, 5]
    assert all(block.digest.startswith("00") for block in chain[1:])


def test_nodes_register_with_the_coordinator(running: dict[str, Demo]) -> None:
    expected = {("blockchain", running["blockchain"].url), ("incentive", running["incentive"].url)}

    def registered() -> set[tuple[str, str]]:
        nodes = running["coordinator"].ask("/nodes").json["nodes"]
        return {(node["kind"], node["url"]) for node in nodes}

    eventually(lambda: registered() == expected)


def test_the_dashboard_shows_everyone(running: dict[str, Demo]) -> None:
    eventually(lambda: running["dashboard"].health()["well"] == 6)
    page = running["dashboard"].ask("/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "6 of 6 services are well." in page.body.decode()


def test_a_second_node_takes_over_the_chain_of_the_first(running: dict[str, Demo], tmp_path: Path) -> None:
    eventually(lambda: running["blockchain"].health()["height"] >= 3)
    with demo(
        "blockchain",
        tmp_path,
        COORDINATOR_URL=running["coordinator"].url,
        BLOCK_SECONDS="0.2",
        DIFFICULTY="8",
        NODE_NAME="second",
    ) as second:
        eventually(lambda: "took over a peer's chain" in second.log)
        first_block = running["blockchain"].ask("/chain?first=1").json["blocks"][0]
        assert second.ask("/chain?first=1").json["blocks"][0] == first_block


def test_every_line_of_the_logs_has_its_time_and_level(running: dict[str, Demo]) -> None:
    for service in running.values():
        lines = service.log.splitlines()
        assert lines
        assert [line for line in lines if not LINE.fullmatch(line)] == []


def test_all_seven_together_stay_cool_and_small(running: dict[str, Demo]) -> None:
    """Even in the hurry of these tests, with ten blocks a second."""
    processes = [psutil.Process(service.process.pid) for service in running.values()]
    assert all(process.memory_info().rss < 60 * 1024 * 1024 for process in processes)
    before, began = sum(sum(p.cpu_times()[:2]) for p in processes), time.monotonic()
    time.sleep(1.0)  # the time over which the CPU is measured
    used = (sum(sum(p.cpu_times()[:2]) for p in processes) - before) / (time.monotonic() - began)
    assert used < 0.5


def test_the_declared_ports_and_modules_are_the_ones_that_exist() -> None:
    declared = tomllib.loads((ROOT / "monitoring/demo/services.toml").read_text(encoding="utf-8"))["services"]
    for table in declared.values():
        module = ROOT / (table["command"][2].replace(".", "/") + ".py")
        assert f", {table['env']['PORT']}" in module.read_text(encoding="utf-8")
        assert table["ports"] == [int(table["env"]["PORT"])]
        assert table["health_url"] == f"http://127.0.0.1:{table['env']['PORT']}/health"
        assert (table["max_failures"], table["failure_window_seconds"]) == (3, 120)
