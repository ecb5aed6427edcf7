"""Who starts after whom; and what can never start says why."""

from monitoring.models import Dependency, Node, Service
from tests.factories import make_node, make_service
from tests.monitoring.supervision.ward import Ward, program, sleeper
from tests.running import free_port


def test_a_service_starts_once_what_it_needs_runs(ward: Ward) -> None:
    database = ward.declare("database", start_seconds=0.3)
    backend = ward.declare("backend", needs=(database,))
    frontend = ward.declare("frontend", needs=(backend, database))
    ward.start()
    ward.reaches(frontend, "RUNNING")
    (first,), (second,), (third,) = (ward.runs(s) for s in (database, backend, frontend))
    assert first.ready_at is not None
    assert second.ready_at is not None
    assert first.ready_at <= second.started_at
    assert second.ready_at <= third.started_at


def test_healthy_means_that_the_probe_says_so(ward: Ward) -> None:
    port, orders = free_port(), ward.instance.directory / "orders"
    backend = ward.declare(
        "backend",
        command=program("health_server", str(port), str(orders)),
        health_kind="http",
        health_url=f"http://127.0.0.1:{port}/",
        health_interval_seconds=0.1,
    )
    frontend = ward.declare("frontend")
    Dependency.objects.create(service=frontend, needs=backend, condition="healthy")
    ward.start()
    ward.reaches(backend, "STARTING")
    ward.reaches(frontend, "WAITING", detail="waiting for Backend")
    orders.write_text("200")
    ward.reaches(frontend, "RUNNING")
    assert ward.status(backend).health == "healthy"


def test_all_stop_in_the_reverse_order(ward: Ward) -> None:
    database = ward.declare("database", command=program("slow_to_stop", "0.1"))
    backend = ward.declare("backend", command=program("slow_to_stop", "0.3"), needs=(database,))
    ward.start()
    ward.reaches(backend, "RUNNING")
    for service in (database, backend):
        ward.wait(lambda s=service: "ready" in ward.log(s), "it catches the signal")
    assert ward.running().stop() == 0
    (first,), (last,) = ward.runs(backend), ward.runs(database)
    assert first.ended_at is not None
    assert last.ended_at is not None
    assert first.ended_at <= last.ended_at
    assert (first.exit_code, last.exit_code) == (0, 0)


def test_services_in_a_circle_are_named_and_the_rest_runs(ward: Ward) -> None:
    one, two, three, free = (ward.declare(key) for key in ("one", "two", "three", "free"))
    for service, needs in ((one, two), (two, three), (three, one)):
        Dependency.objects.create(service=service, needs=needs)
    ward.start()
    ward.reaches(free, "RUNNING")
    for service in (one, two, three):
        status = ward.reaches(service, "FATAL", reason="dependency")
        assert "One needs Two needs Three needs One" in status.detail
        assert status.pid is None
    # Mended while it runs, all of them start.
    Dependency.objects.filter(service=three).delete()
    three.save()
    for service in (one, two, three):
        ward.reaches(service, "RUNNING")


def test_a_start_in_a_circle_fails_with_the_circle_in_words(shared_ward: Ward) -> None:
    one, two = shared_ward.declare("ping", autostart=False), shared_ward.declare("pong", autostart=False)
    Dependency.objects.create(service=one, needs=two)
    Dependency.objects.create(service=two, needs=one)
    one.save()
    operation = shared_ward.act(one, "start")
    assert (operation.status, operation.error_code) == ("FAILED", "dependency")
    assert "circle" in operation.error_detail


def test_a_dependency_on_another_nodes_service_is_named(shared_ward: Ward) -> None:
    elsewhere = make_service("elsewhere", node=make_node("othernode"))
    service = shared_ward.declare(autostart=False)
    Dependency.objects.create(service=service, needs=elsewhere)
    service.save()
    operation = shared_ward.act(service, "start")
    assert operation.status == "FAILED"
    assert "elsewhere" in operation.error_detail
    assert Node.objects.filter(name="othernode", supervisor_pid=None).exists()


def test_what_runs_goes_on_when_what_it_needs_ends(shared_ward: Ward) -> None:
    needed = shared_ward.declare()
    service = shared_ward.declare(needs=(needed,))
    pid = shared_ward.reaches(service, "RUNNING").pid
    shared_ward.act(needed, "stop")
    assert shared_ward.status(service).pid == pid
    # It would now wait, if it had to start again.
    shared_ward.ask(service, "restart")
    shared_ward.reaches(service, "WAITING", reason="dependency")
    shared_ward.act(needed, "start")
    shared_ward.reaches(service, "RUNNING")


def test_the_smaller_priority_starts_first(ward: Ward) -> None:
    late = ward.declare("aaa", priority=300)
    early = ward.declare("zzz", priority=5)
    ward.start()
    ward.reaches(late, "RUNNING")
    ward.reaches(early, "RUNNING")
    assert ward.runs(early)[0].started_at <= ward.runs(late)[0].started_at


def test_many_services_start_a_few_at_a_time_and_all_come_up(ward: Ward) -> None:
    for number in range(60):
        make_service(f"many-{number}", command=sleeper(), start_seconds=0.0)
    ward.start()
    ward.wait(
        lambda: Service.objects.filter(status__state="RUNNING").count() == 60, "all of them run", timeout=30
    )
