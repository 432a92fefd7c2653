"""What the harness can see of a mesh: what decides, and that scenarios say what they need."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kubernetes.client.exceptions import ApiException

from meshproof.cluster.cluster import Cluster
from meshproof.engine.engine import Engine
from meshproof.errors import EnvironmentBroken
from meshproof.mesh.access_log import FIELDS
from meshproof.mesh.capabilities import MEANINGS, Capability
from meshproof.paths import PROJECT
from meshproof.plugin import preflight as fixtures_module
from meshproof.plugin.outcomes import UNSEEN
from meshproof.plugin.preflight import require_seen, why_skipped
from meshproof.plugin.scenarios import OTHER_TAGS
from meshproof.probes import preflight as module
from meshproof.probes.calls import Answer, Call
from meshproof.probes.preflight import (
    CALLS,
    CLIENT,
    SERVER,
    Preflight,
    Round,
    await_logs,
    lacking_address,
    lacking_counts,
    lacking_nodes,
    make_calls,
    missing_in_logs,
)
from meshproof.waiting import NotConverged
from tests.forked import ran

HTTP, REDIS, DENIED_HTTP, DENIED_MYSQL = CALLS
OK, FORBIDDEN = b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 403 Forbidden\r\n\r\n"
RECEIVED = {HTTP: OK, REDIS: b"+PONG\r\n", DENIED_HTTP: FORBIDDEN, DENIED_MYSQL: b""}
ANSWERS = [
    Answer(call, f"10.0.0.1:{20000 + place}", b"", received, "closed")
    for place, (call, received) in enumerate(RECEIVED.items())
]
BEFORE = {
    "http.inbound_0.0.0.0_8080;.rbac.denied": 0,
    "listener.0.0.0.0_15006.no_filter_chain_match": 0,
    "listener.0.0.0.0_15006.ssl.fail_verify_error": 0,
}
AFTER = BEFORE | {
    "cluster.inbound|8080||;.upstream_rq_total": 1,
    "cluster.inbound|6379||;.upstream_cx_tx_bytes_total": 6,
    "http.inbound_0.0.0.0_8080;.rbac.denied": 1,
    "tcp.rbac.denied": 1,
}
SEEN = Round(ANSWERS, BEFORE, AFTER)


def without(*patterns: str) -> Round:
    """What is seen of the same calls by a proxy that lacks some counts."""
    before, after = (
        {name: value for name, value in stats.items() if not any(p in name for p in patterns)}
        for stats in (BEFORE, AFTER)
    )
    return Round(ANSWERS, before, after)


def answered(**received: bytes) -> list[Answer]:
    """The answers, some of them others: by `http`, `redis`, `denied_http` and `denied_mysql`."""
    calls = {"http": HTTP, "redis": REDIS, "denied_http": DENIED_HTTP, "denied_mysql": DENIED_MYSQL}
    others = {calls[name]: text for name, text in received.items()}
    return [
        Answer(one.call, one.local, b"", others.get(one.call, one.received), "closed")
        for one in ANSWERS
    ]


# Counts.


def test_a_mesh_that_counts_everything_lacks_nothing() -> None:
    assert SEEN.all_as_meant
    assert lacking_counts(SEEN) == {}


@pytest.mark.parametrize(
    ("lost", "lacking"),
    [
        (("inbound|8080",), {Capability.REQUEST_COUNTS: "A proxy does not count a request"}),
        (("cx_tx",), {Capability.REQUEST_COUNTS: "A proxy does not count bytes that it passed on"}),
        (
            ("rbac",),
            {Capability.DENIAL_COUNTS: "Of 2 calls that a policy denied, a proxy counts 0"},
        ),
        (("tcp.rbac",), {Capability.DENIAL_COUNTS: "Of 2 calls that a policy denied"}),
        (("no_filter",), {Capability.REFUSAL_COUNTS: "A proxy does not count what mutual TLS"}),
        (("fail_verify",), {Capability.REFUSAL_COUNTS: "A proxy does not count what mutual TLS"}),
    ],
)
def test_each_count_that_does_not_rise_is_lacking(
    lost: tuple[str, ...], lacking: dict[Capability, str]
) -> None:
    found = lacking_counts(without(*lost))
    assert found.keys() == lacking.keys()
    for capability, said in lacking.items():
        assert found[capability].startswith(said)


def test_a_call_that_a_policy_should_have_denied_says_nothing_of_counts() -> None:
    # That is for the scenario to find, by failing.
    let_in = answered(denied_http=OK, denied_mysql=b"\xff")
    assert lacking_counts(Round(let_in, BEFORE, without("rbac").after)) == {}
    one = answered(denied_http=OK)
    assert lacking_counts(Round(one, BEFORE, without("http.inbound").after)) == {}


def test_a_call_that_was_not_answered_says_nothing_of_counts() -> None:
    silent = answered(http=b"HTTP/1.1 503 Service Unavailable\r\n\r\n", redis=b"")
    assert not Round(silent, BEFORE, AFTER).all_as_meant
    assert lacking_counts(Round(silent, BEFORE, without("cluster.inbound").after)) == {}


# The log.


def line(local: str, *, inbound: bool, protocol: str | None, **changes: Any) -> str:
    entry = dict.fromkeys(FIELDS) | {
        "logged_for": "meshproof",
        "downstream_direct_remote_address": local,
        "protocol": protocol,
        "start": "2026-01-02T03:04:05.678Z",
        "upstream_cluster": "inbound|8080||" if inbound else "outbound|8080||preflight-server",
        "upstream_host": "10.0.0.2:8080",
    }
    return json.dumps(entry | changes)


AGENT = "2026-01-02T03:04:05Z\tinfo\tReadiness succeeded\n"
OUT = AGENT + "\n".join(
    line(one.local, inbound=False, protocol="HTTP/1.1" if one.call.protocol == "http" else None)
    for one in ANSWERS
)
IN_HTTP = line("10.0.0.1:40001", inbound=True, protocol="HTTP/1.1")
IN_TCP = line("10.0.0.1:40002", inbound=True, protocol=None)
IN = f"{AGENT}{IN_HTTP}\n{IN_TCP}\n"


def test_a_log_of_both_calls_at_both_ends_lacks_nothing() -> None:
    assert missing_in_logs(OUT, IN, ANSWERS) == ""


@pytest.mark.parametrize(
    ("client_log", "server_log", "logged"),
    [
        (AGENT, AGENT, "the client's proxy logs 0 and the server's 0"),
        (OUT, AGENT, "the client's proxy logs 2 and the server's 0"),
        (OUT, IN_HTTP, "the client's proxy logs 2 and the server's 1"),
        (AGENT, IN, "the client's proxy logs 0 and the server's 2"),
        (OUT, IN.replace("10.0.0.1", "10.0.0.3"), "logs 2 and the server's 0"),
        # Istio's own format.
        (AGENT, '[2026-01-02T03:04:05.678Z] "GET / HTTP/1.1" 200 -', "the server's 0, in JSON"),
    ],
)
def test_a_log_that_lacks_a_call_says_whose_does(
    client_log: str, server_log: str, logged: str
) -> None:
    assert logged in missing_in_logs(client_log, server_log, ANSWERS)


def test_a_log_without_a_field_names_it() -> None:
    entry = json.loads(IN_HTTP)
    del entry["downstream_peer_uri_san"]
    assert missing_in_logs(OUT, json.dumps(entry), ANSWERS) == (
        "The proxies' log of calls has no downstream_peer_uri_san."
    )


def test_a_call_without_an_identity_is_logged_all_the_same() -> None:
    # Whether there is one is a promise of the mesh (T3), and not whether it can be seen.
    assert json.loads(IN_HTTP)["downstream_peer_uri_san"] is None
    assert missing_in_logs(OUT, IN, ANSWERS) == ""


def reading(monkeypatch: pytest.MonkeyPatch, *looks: dict[str, str] | Exception) -> None:
    """Have logs read as these, the last of them for ever."""
    left = list(looks)

    def read_logs(*_: object) -> dict[str, str]:
        seen = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(seen, Exception):
            raise seen
        return seen

    monkeypatch.setattr(module, "read_logs", read_logs)


@pytest.mark.usefixtures("no_time_passes")
def test_a_log_that_is_late_is_awaited(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    reading(monkeypatch, {CLIENT: "", SERVER: ""}, {CLIENT: OUT, SERVER: ""},
            {CLIENT: OUT, SERVER: IN})  # fmt: skip
    assert await_logs(cluster, "voting-preflight", ANSWERS, 0.0) == ""


@pytest.mark.usefixtures("no_time_passes")
def test_a_log_that_never_comes_is_lacking(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    reading(monkeypatch, {CLIENT: OUT, SERVER: ""})
    assert "the server's 0" in await_logs(cluster, "voting-preflight", ANSWERS, 0.0)


def test_a_log_that_may_not_be_read_is_lacking(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    reading(monkeypatch, ApiException(status=403, reason="Forbidden"))
    assert "may not read logs" in await_logs(cluster, "voting-preflight", ANSWERS, 0.0)
    reading(monkeypatch, ApiException(status=500, reason="broken"))
    with pytest.raises(ApiException):
        await_logs(cluster, "voting-preflight", ANSWERS, 0.0)


# The calls.


@pytest.mark.usefixtures("no_time_passes")
@pytest.mark.parametrize("ends", ["as meant", "otherwise"])
def test_calls_are_made_again_until_they_end_as_meant_or_it_is_late(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, ends: str
) -> None:
    early = answered(http=b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    rounds = [early, ANSWERS] if ends == "as meant" else [early]
    monkeypatch.setattr(module, "stats_of", lambda *_: BEFORE)
    monkeypatch.setattr(
        module, "call_all", lambda *_: rounds.pop(0) if len(rounds) > 1 else rounds[0]
    )
    assert make_calls(cluster, "voting-preflight").answers == rounds[-1]


@pytest.mark.usefixtures("no_time_passes")
def test_where_no_call_can_be_made_nothing_is_known(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(module, "stats_of", refuse)
    with pytest.raises(NotConverged):
        make_calls(cluster, "voting-preflight")


# The nodes.


@pytest.mark.parametrize(
    ("containers", "said"),
    [
        (None, "No container engine answers here, so that nothing can be looked at on the nodes."),
        ({"one"}, "No container of docker is the node two."),
        ({"one", "two"}, ""),
    ],
)
def test_nodes_are_looked_into_where_they_are_containers_of_an_engine(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, containers: set[str] | None, said: str
) -> None:
    nodes = {"items": [{"metadata": {"name": name}} for name in ("one", "two")]}
    monkeypatch.setattr(module, "get", lambda *_: nodes)
    engine = None
    if containers is not None:
        engine = SimpleNamespace(
            name="docker",
            run=lambda _, node, *__, check: SimpleNamespace(ok=node in containers and not check),
        )
    assert lacking_nodes(cluster, cast("Engine | None", engine)) == said


@pytest.mark.parametrize(
    ("stated", "has"),
    [
        ([{"ip": "10.0.0.1"}], None),
        ([{"hostname": "a.example"}], "the host name a.example"),
        ([], "no address"),
    ],
)
def test_a_gateway_without_an_ip_address_is_told(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, stated: list[Any], has: str | None
) -> None:
    path = "/api/v1/namespaces/istio-system/services/istio-ingressgateway"
    service = {path: {"status": {"loadBalancer": {"ingress": stated}}}}
    monkeypatch.setattr(module, "get", lambda _, path: service[path])
    said = lacking_address(cluster)
    assert said.startswith(f"The Service istio-system/istio-ingressgateway states {has},") or (
        has is None and not said
    )


# The tags.


def test_every_capability_has_a_meaning_and_a_tag() -> None:
    assert MEANINGS.keys() == {*Capability}
    assert all(one.tag in OTHER_TAGS for one in Capability)


def test_a_skip_names_what_is_lacking_and_why() -> None:
    assert why_skipped({"access-log": "No proxy logs anything.", "nodes": "None answers."}) == (
        "the harness cannot see this here, on pods of its own either: "
        "No proxy logs anything. (access-log) None answers. (nodes)"
    )


def asked(found: Preflight, *tags: str) -> pytest.FixtureRequest:
    """A scenario with these tags asks whether what it needs can be seen, where this was found."""
    node = SimpleNamespace(stash=pytest.Stash(), needs=frozenset(map(Capability, tags)))
    return cast(
        "pytest.FixtureRequest", SimpleNamespace(node=node, getfixturevalue=lambda _: found)
    )


NO_LOG = {Capability.ACCESS_LOG: "No proxy logs anything."}
UNKNOWN = "No pod runs.", "for want of room"


@pytest.fixture
def by_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixtures_module, "needs_of", lambda node: node.needs)


@pytest.mark.usefixtures("by_tags")
def test_a_scenario_is_skipped_where_just_what_it_needs_is_lacking() -> None:
    request = asked(Preflight(NO_LOG), "access-log", "denial-counts")
    with pytest.raises(pytest.skip.Exception, match=r"No proxy logs anything\. \(access-log\)"):
        require_seen(request)
    assert request.node.stash[UNSEEN] == {"access-log": "No proxy logs anything."}
    for found in (Preflight(NO_LOG), Preflight()):
        request = asked(found, "denial-counts")
        require_seen(request)
        assert UNSEEN not in request.node.stash


@pytest.mark.usefixtures("by_tags")
def test_where_that_is_enforced_nothing_is_skipped() -> None:
    request = asked(Preflight(NO_LOG), "access-log")
    with pytest.raises(EnvironmentBroken, match=r"With --enforce .* No proxy logs anything\."):
        require_seen(request, enforce=True)
    assert UNSEEN not in request.node.stash
    require_seen(asked(Preflight(NO_LOG), "denial-counts"), enforce=True)


@pytest.mark.usefixtures("by_tags")
def test_where_it_could_not_be_found_out_nothing_is_said_of_the_promise() -> None:
    with pytest.raises(EnvironmentBroken, match=r"It cannot be found out .*: No pod runs\."):
        require_seen(asked(Preflight(failure=UNKNOWN), "request-counts"))
    require_seen(asked(Preflight(failure=UNKNOWN), "nodes"))  # which is found out otherwise
    lacking = {Capability.NODES: "None answers."}
    with pytest.raises(pytest.skip.Exception):
        require_seen(asked(Preflight(lacking, UNKNOWN), "nodes"))


#: Collects the features, and prints for each scenario which of the fixtures that read something its
#: steps lead to, by way of other fixtures too, and the tags that it carries.
PLUGIN = """
import inspect
import json

READ = {"access_log", "proxy_counts", "node_engine", "address_command", "every_object",
        "pod_log"}


def closure(manager, node, names):
    found, left = set(), list(names)
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        for definition in manager.getfixturedefs(name, node) or ():
            left += definition.argnames
    return found


def pytest_collection_finish(session):
    from pytest_bdd.scenario import find_fixturedefs_for_step
    from pytest_bdd.steps import step_function_context_registry as contexts

    from meshproof.plugin.scenarios import is_scenario, needs_of, scenario_of

    told = {}
    manager = session._fixturemanager
    for item in filter(is_scenario, session.items):
        names = set()
        for step in scenario_of(item).steps:
            definitions = list(find_fixturedefs_for_step(step, manager, item))
            assert definitions, step.name
            for definition in definitions:
                step_function = contexts[definition.func].step_func
                names |= {*inspect.signature(step_function).parameters}
        told[item.nodeid] = [sorted(closure(manager, item, names) & READ), sorted(needs_of(item))]
    print("TOLD" + json.dumps(told))
"""
#: What is read by which fixture.
READ_BY = {
    Capability.ACCESS_LOG: "access_log",
    Capability.REQUEST_COUNTS: "proxy_counts",
    Capability.DENIAL_COUNTS: "proxy_counts",
    Capability.REFUSAL_COUNTS: "proxy_counts",
    Capability.NODES: "node_engine",
    Capability.ADDRESS: "address_command",
    Capability.LISTING: "every_object",
    Capability.POD_LOG: "pod_log",
}


def test_scenarios_carry_the_tags_of_what_their_steps_read_and_no_others(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "tells_needs.py").write_text(PLUGIN)
    done = ran(
        ["-m", "pytest", "features", "--collect-only", "-q", "-p", "tells_needs",
         "-p", "no:cacheprovider"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{PROJECT}"},
    )  # fmt: skip
    (told,) = (line for line in done.stdout.splitlines() if line.startswith("TOLD"))
    scenarios: dict[str, tuple[list[str], list[str]]] = json.loads(told.removeprefix("TOLD"))
    assert len(scenarios) > 80, done.stdout
    wrong = {
        node: (reads, needs)
        for node, (reads, needs) in scenarios.items()
        if reads != sorted({READ_BY[Capability(need)] for need in needs})
    }
    assert not wrong
    used = {need for _, needs in scenarios.values() for need in needs}
    assert used == {*Capability}


def test_steps_come_by_what_they_read_through_those_fixtures_alone() -> None:
    for file in [
        *(PROJECT / "meshproof" / "steps").glob("*.py"),
        *(PROJECT / "meshproof" / "plugin").glob("*.py"),
    ]:
        text = file.read_text()
        if file.name == "preflight.py":
            continue
        for call in ("AccessLog(", "ProxyCounts(", "read_logs(", "stats_of("):
            assert call not in text, f"{file}: {call}"


def test_calls_are_those_that_the_policy_is_about() -> None:
    assert {call.host for call, denied in CALLS.items() if denied} == {module.DENIED_NAME}
    assert Call(SERVER, "http") in CALLS
