"""Calls between workloads, with a cluster that is a stand-in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from meshproof.analysis.wire import Place
from meshproof.cluster.pods import PodState
from meshproof.errors import EnvironmentBroken, PromiseBroken
from meshproof.mesh import proxy_stats
from meshproof.mesh.access_log import MARGIN, AccessLog, Sent
from meshproof.mesh.loaded import Loaded
from meshproof.mesh.proxy_stats import ProxyCounts
from meshproof.probes import matrix as module
from meshproof.probes.calls import Answer, Call
from meshproof.probes.isolation import BASELINE, Cell, Name
from meshproof.probes.matrix import call_each, caller, own_names
from meshproof.suite.model import Suite
from meshproof.suite.tutorial import Tutorial
from tests.suites import SUITE

APP, STORAGE, OTHER = "voting-app 1.0", "voting-storage 1.0", "voting-app 2.0"
NAME = Name("storage", Call("probe-1", "redis"), (STORAGE,), SUITE.arrows())
#: Workload, pod and address.
PODS = [
    (APP, "app-1", "10.0.0.1"),
    (APP, "app-2", "10.0.0.2"),
    (OTHER, "app-3", "10.0.0.3"),
    (STORAGE, "storage-1", "10.0.0.9"),
]
DENIED = "tcp.rbac.denied"


@dataclass
class Namespace:
    """A namespace in which app 1.0 gets an answer from storage and app 2.0 none."""

    #: What storage's proxy counts of denials, before and after; None where it counts none.
    denials: list[int | None] = field(default_factory=lambda: [4, 5])
    #: How many times the logs are read before they are whole.
    late: int = 1
    asked: list[tuple[str, str]] = field(default_factory=list)
    awaited: list[Loaded] = field(default_factory=list)
    services: list[tuple[str, ...]] = field(default_factory=list)
    cluster: None = None
    namespace: str = "voting"
    suite: Suite = SUITE

    def pods(self) -> list[PodState]:
        return [
            PodState(pod, app, version, "Running", 2, 2, 0, proxied=True, stopping=False)
            for workload, pod, _ in PODS
            for app, version in [workload.split()]
        ]

    def places(self, _: object, __: str) -> list[Place]:
        baseline = (BASELINE, "probe-baseline", "10.0.0.7")
        return [Place(*one, "node-1") for one in (*PODS, baseline)]

    def await_loaded(self, wanted: Sequence[Loaded]) -> None:
        self.awaited += wanted

    def call_all(
        self, _: object, __: str, pod: str, container: str, calls: Sequence[Call]
    ) -> list[Answer]:
        self.asked.append((pod, container))
        received = b"+PONG\r\n" if pod == "app-1" else b""
        return [Answer(call, f"{pod}:1", b"", received, "closed") for call in calls]

    def by_pod(self, pods: list[str], pattern: object) -> dict[str, dict[str, int]]:
        assert pattern is proxy_stats.DENIED
        denials = self.denials.pop(0)
        counted = {} if denials is None else {DENIED: denials}
        return {pod: counted if pod == "storage-1" else {"server.live": 1} for pod in pods}

    def sent(self, pods: list[str], seconds: int) -> dict[str, Sent]:
        assert seconds >= MARGIN
        self.late -= 1
        logged = pods if self.late < 0 else pods[:1]
        return {f"{pod}:1": Sent("10.0.0.9", "-") for pod in logged}

    def call(self) -> list[Cell]:
        log, kept = cast("AccessLog", self), cast("ProxyCounts", self)
        return call_each(cast("Tutorial", self), log, kept, [APP, OTHER], [NAME])


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> Namespace:
    found = Namespace()
    for name in ("places", "call_all"):
        monkeypatch.setattr(module, name, getattr(found, name))
    return found


def test_each_name_is_called_from_one_pod_of_each_workload(namespace: Namespace) -> None:
    cells = namespace.call()
    assert sorted(namespace.asked) == [("app-1", "voting-app"), ("app-3", "voting-app")]
    assert [(cell.source, cell.seen, cell.how) for cell in cells] == [
        (APP, STORAGE, "+PONG"),
        (OTHER, "nobody", "no byte, counted"),
    ]
    assert not any(cell.differs for cell in cells)


def test_the_caller_is_a_settled_pod(namespace: Namespace) -> None:
    first, *others = namespace.pods()
    starting = replace(first, ready=1)
    assert caller([starting, *others], APP).name == "app-2"
    with pytest.raises(PromiseBroken, match=r"no pod of voting-app 1\.0 to call from, among .*1/2"):
        caller([starting, others[-1]], APP)


@pytest.mark.parametrize("after", [4, 6])
def test_a_server_that_counts_another_number_of_denials_counts_none(
    namespace: Namespace, after: int
) -> None:
    namespace.denials = [4, after]
    assert [cell.how for cell in namespace.call()] == ["+PONG", "no byte, not counted"]


def test_a_server_that_keeps_no_count_says_nothing_of_the_mesh(namespace: Namespace) -> None:
    namespace.denials = [None, None]
    with pytest.raises(EnvironmentBroken, match="keep no count"):
        namespace.call()


def test_each_name_of_its_own_is_awaited_with_every_pod_behind_it(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ServiceTo:
        def __init__(self, _: object, __: str, *what: object) -> None:
            namespace.services.append(tuple(map(str, what)))

        def __enter__(self) -> str:
            return f"probe-{len(namespace.services)}"

        def __exit__(self, *_: object) -> None:
            namespace.services.append(("gone",))

    monkeypatch.setattr(module, "service_to", ServiceTo)
    with own_names(cast("Tutorial", namespace), [APP, BASELINE]) as names:
        assert [(name.title, name.call, name.behind) for name in names] == [
            ("voting-app 1.0:8080", Call("probe-1", "http"), (APP,)),
            ("probe-baseline 1.0:8080", Call("probe-2", "http"), (BASELINE,)),
            ("probe-baseline 1.0:6379", Call("probe-2", "redis"), (BASELINE,)),
            ("probe-baseline 1.0:3306", Call("probe-2", "mysql"), (BASELINE,)),
        ]
    assert namespace.services == [
        ("voting-app", "1.0", "{'http': 8080}"),
        ("probe-baseline", "1.0", "{'http': 8080, 'redis': 6379, 'mysql': 3306}"),
        ("gone",),
        ("gone",),
    ]
    # A way to each, and two pods and three times one behind them.
    assert len(namespace.awaited) == 4 + 2 + 3
