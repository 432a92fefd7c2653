from __future__ import annotations

from dataclasses import replace

import pytest

from meshproof.mesh.access_log import Sent
from meshproof.probes.calls import PORTS, Answer, Call
from meshproof.probes.isolation import (
    BASELINE,
    NOBODY,
    Cell,
    Name,
    differing,
    refused_at,
    summary,
    table,
)
from steps.voting.names import (
    MYSQLS_NAME,
    STORAGES,
    TUTORIALS_NAMES,
    WITHOUT_MYSQL,
    WORKLOADS,
)
from tests.suites import SUITE

ARROWS = SUITE.arrows("canary")
APP, STORAGE = "voting-app 1.0", "voting-storage 1.0"
OK, FORBIDDEN = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 403 Forbidden\r\n"
TO_STORAGE = Name(f"{STORAGE}:6379", Call("probe-1", "redis"), (STORAGE,), ARROWS)
TO_APP = Name(f"{APP}:8080", Call("probe-2", "http"), (APP,), ARROWS)
ANALYTICS = TUTORIALS_NAMES[1]
PONG = Answer(TO_STORAGE.call, "10.0.0.1:1", b"", b"+PONG", "answered")
SILENCE = replace(PONG, received=b"", end="closed")
AT_STORAGE, NO_ENDPOINT = Sent("10.0.0.9", "-"), Sent("", "UH")
SERVED = Cell(APP, TO_STORAGE, PONG, AT_STORAGE, STORAGE, counted=False)
#: The same call from a workload that may not make it.
DENIED = Cell("voting-app 2.0", TO_STORAGE, SILENCE, AT_STORAGE, STORAGE, counted=True)
NOWHERE = Cell("voting-app 2.0", MYSQLS_NAME, SILENCE, NO_ENDPOINT, "", counted=False)


def test_the_arrows_are_between_workloads_of_one_stack() -> None:
    assert {end for arrow in ARROWS for end in arrow} < WORKLOADS.keys()
    old = {"voting-app 1.0", "voting-analytics 1.1", "voting-storage 1.0"}
    assert all((source in old) == (to in old) for source, to in ARROWS)
    # Analytics 1.0 has none, and nobody but the ingress calls the app.
    assert not any(end == "voting-analytics 1.0" for arrow in ARROWS for end in arrow)
    assert not any(to.startswith("voting-app") for _, to in ARROWS)


@pytest.mark.parametrize(
    ("source", "answering"),
    [
        ("voting-app 1.0", [NOBODY, "voting-analytics 1.1", "voting-storage 1.0", NOBODY]),
        ("voting-analytics 1.0", [NOBODY] * 4),
        ("voting-analytics 1.1", [NOBODY, NOBODY, "voting-storage 1.0", NOBODY]),
        ("voting-storage 1.0", [NOBODY] * 4),
        ("voting-app 2.0", [NOBODY, "voting-analytics 2.0", NOBODY, "voting-storage 2.0"]),
        ("voting-analytics 2.0", [NOBODY] * 3 + ["voting-storage 2.0"]),
        ("voting-storage 2.0", [NOBODY] * 4),
    ],
)
def test_who_answers_by_the_tutorials_names(source: str, answering: list[str]) -> None:
    assert [name.expected(source) for name in TUTORIALS_NAMES] == answering


def test_workloads_are_called_at_the_ports_that_they_serve() -> None:
    assert {one.protocol: one.port for one in SUITE.workloads} == PORTS


def test_the_tutorials_names() -> None:
    assert [name.title for name in TUTORIALS_NAMES] == [
        "voting-app:8080", "voting-analytics:8080", "voting-storage:6379", "voting-storage:3306",
    ]  # fmt: skip
    assert MYSQLS_NAME.behind == ("voting-storage 2.0",)
    assert ANALYTICS.behind == (
        "voting-analytics 1.0", "voting-analytics 1.1", "voting-analytics 2.0",
    )  # fmt: skip
    assert set(WITHOUT_MYSQL) == WORKLOADS.keys() - {"voting-app 2.0", "voting-analytics 2.0"}


def test_a_storage_is_called_in_its_own_protocol() -> None:
    assert {source: call.protocol for source, call in STORAGES.items()} == {
        "voting-app 1.0": "redis",
        "voting-analytics 1.1": "redis",
        "voting-app 2.0": "mysql",
        "voting-analytics 2.0": "mysql",
    }


def test_anyone_may_call_the_baseline() -> None:
    name = Name("baseline", Call("probe-3", "http"), (BASELINE,))
    assert {name.expected(source) for source in WORKLOADS} == {BASELINE}
    assert replace(SERVED, name=name).anyones and not SERVED.anyones


@pytest.mark.parametrize(
    ("cell", "seen", "how"),
    [
        (SERVED, STORAGE, "+PONG"),
        (DENIED, NOBODY, "no byte, counted"),
        (replace(DENIED, answer=replace(SILENCE, greeting=b"8.0")), NOBODY,
         "greeting only, counted"),
        (replace(DENIED, counted=False), "unclear", "no byte, not counted"),
        (replace(DENIED, answer=PONG, counted=False), STORAGE, "+PONG"),
        (replace(NOWHERE, source="voting-app 1.0"), NOBODY, "no byte, no endpoint"),
        (replace(NOWHERE, sent=Sent("", "UF")), "unclear", "no byte, not counted"),
    ],
)  # fmt: skip
def test_what_was_seen(cell: Cell, seen: str, how: str) -> None:
    assert (cell.seen, cell.how) == (seen, how)


def test_a_denial_in_http_is_a_403_that_is_counted() -> None:
    answer = Answer(TO_APP.call, "10.0.0.1:2", b"", FORBIDDEN, "closed")
    cell = Cell("voting-app 2.0", TO_APP, answer, Sent("10.0.0.8", "-"), APP, counted=True)
    assert not cell.differs
    assert replace(cell, counted=False).differs
    failing = replace(answer, received=b"HTTP/1.1 503 Service Unavailable\r\n")
    assert replace(cell, answer=failing).differs
    assert replace(cell, answer=replace(answer, received=OK)).differs


def test_another_version_that_answers_is_told() -> None:
    answer = Answer(ANALYTICS.call, "10.0.0.1:2", b"", OK, "closed")
    cell = Cell(APP, ANALYTICS, answer, Sent("10.0.0.7", "-"), "voting-analytics 2.0",
                counted=False)  # fmt: skip
    assert differing([SERVED, cell]) == [
        "1 of 2 differ",
        "voting-app 1.0 → voting-analytics:8080: expected voting-analytics 1.1, "
        "seen voting-analytics 2.0 (200)",
    ]


def test_nothing_to_say_where_all_is_as_expected() -> None:
    assert differing([SERVED, DENIED]) == []


def test_refusals_are_counted_by_the_pod_that_they_reached() -> None:
    calls = [
        (SILENCE, AT_STORAGE),
        (SILENCE, AT_STORAGE),
        (PONG, AT_STORAGE),
        (SILENCE, NO_ENDPOINT),
        (SILENCE, Sent("10.0.0.77", "-")),
    ]
    assert refused_at({"10.0.0.9": "pod-1"}, calls) == {"pod-1": 2}


def test_a_matrix_in_numbers() -> None:
    assert summary([SERVED, DENIED, DENIED]) == (
        "3 calls: 1 of 1 that may be answered were (1 redis +PONG), "
        "2 of 2 that may not were denied (2 redis no byte, counted)"
    )


def test_a_matrix_of_one_kind_says_nothing_of_the_other() -> None:
    broken = replace(SERVED, answer=SILENCE)
    assert summary([broken]) == (
        "1 calls: 0 of 1 that may be answered were (1 redis no byte, not counted)"
    )


def test_expected_and_seen_are_drawn_side_by_side() -> None:
    wrong = Cell(APP, TO_APP, replace(SILENCE, call=TO_APP.call), Sent("", "UF"), "",
                 counted=False)  # fmt: skip
    allowed = Cell("voting-app 2.0", TO_APP, replace(PONG, call=TO_APP.call, received=OK),
                   Sent("10.0.0.8", "-"), APP, counted=False)  # fmt: skip
    assert table([SERVED, wrong, DENIED, allowed]) == (
        "who is expected to answer | who was seen to (what came back); -: nobody\n"
        "\n"
        "from \\ to   storage 1.0:6379                    app 1.0:8080\n"
        "app 1.0     storage 1.0 | storage 1.0 (+PONG)   "
        "- ≠ unclear (no byte, not counted)\n"
        "app 2.0     - | - (no byte, counted)            - ≠ app 1.0 (200)\n"
    )
