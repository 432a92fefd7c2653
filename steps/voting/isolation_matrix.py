"""The isolation matrix: who can call whom while both stacks run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest
from pytest_bdd import given, parsers, then, when

from meshproof.mesh.access_log import AccessLog
from meshproof.mesh.proxy_stats import ProxyCounts
from meshproof.probes.isolation import (
    BASELINE,
    NOBODY,
    Cell,
    Name,
    drawn,
    drawn_beside_baseline,
    not_as_expected,
    not_denied,
)
from meshproof.probes.matrix import call_each as calls_of
from meshproof.probes.matrix import own_names
from meshproof.probes.scratch_namespace import baseline
from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from steps.voting.names import (
    MYSQL,
    MYSQLS_NAME,
    TUTORIALS_NAMES,
    WITHOUT_MYSQL,
    WORKLOADS,
)

#: Calls names from a pod of each workload.
CallEach = Callable[[Sequence[str], Sequence[Name]], list[Cell]]
#: Gives the names of MySQL by what a feature calls its Service.
MysqlsNames = Callable[[str], list[Name]]


@pytest.fixture
def call_each(tutorial: Tutorial, access_log: AccessLog, proxy_counts: ProxyCounts) -> CallEach:
    """Calls names from workloads, and looks each call up in what the proxies log and count."""
    return lambda sources, names: calls_of(tutorial, access_log, proxy_counts, sources, names)


@pytest.fixture
def names(tutorial: Tutorial) -> Iterator[list[Name]]:
    """Names that lead to one workload each, and to one that anyone may call."""
    with (
        baseline(tutorial.cluster, tutorial.namespace),
        own_names(tutorial, [*WORKLOADS, BASELINE]) as names,
    ):
        yield names


@pytest.fixture
def mysqls_names(tutorial: Tutorial) -> Iterator[MysqlsNames]:
    """Gives the names of MySQL: the tutorial's, or one that leads to it alone and goes again."""
    with ExitStack() as kept:
        yield (
            lambda service: (
                [MYSQLS_NAME]
                if service == "the tutorial's Service"
                else kept.enter_context(own_names(tutorial, [MYSQL]))
            )
        )


@given("a test workload without an AuthorizationPolicy")
def workload_without_policy(names: list[Name]) -> None:
    """Create a workload without a policy, and names that lead to each workload alone."""
    assert any(BASELINE in name.behind for name in names), "no name leads to it alone"


@when(
    "each workload calls every port of every workload, through a test Service for each",
    target_fixture="cells",
)
def each_calls_each_by_own_names(
    call_each: CallEach, names: list[Name], evidence: Evidence
) -> list[Cell]:
    """Make each call once, on a connection of its own."""
    cells = call_each(tuple(WORKLOADS), names)
    evidence.tell(drawn_beside_baseline("by own names", cells))
    return cells


@when("each workload calls every port of each of the tutorial's Services", target_fixture="cells")
def each_calls_the_tutorials_names(call_each: CallEach, evidence: Evidence) -> list[Cell]:
    """Make each call once, on a connection of its own."""
    cells = call_each(tuple(WORKLOADS), TUTORIALS_NAMES)
    evidence.tell(drawn("by the tutorial's names", cells))
    return cells


@then("the test workload without an AuthorizationPolicy answers each workload, in every protocol")
def each_is_answered_by_the_baseline(cells: list[Cell]) -> None:
    """Every caller can call, so that a denial says something: the baseline."""
    wrong = not_as_expected(cell for cell in cells if cell.anyones)
    assert not wrong, wrong


@then(
    "each call that the tutorial's diagram allows is answered by a workload of the caller's stack"
)
def calls_along_arrows_are_answered(cells: list[Cell]) -> None:
    """Who may call is answered, by the workload of the same stack."""
    wrong = not_as_expected(c for c in cells if c.expected != NOBODY and not c.anyones)
    assert not wrong, wrong


@then(
    "each call that the diagram does not show is denied by policy and counted by the server's proxy"
)
def other_calls_are_denied_and_counted(cells: list[Cell]) -> None:
    """Who may not call gets no answer, and the server's proxy counts just that denial."""
    wrong = not_denied(cell for cell in cells if cell.expected == NOBODY)
    assert not wrong, wrong


@then("each call that the diagram does not show is denied and counted, or has no route or endpoint")
def other_calls_get_nowhere(cells: list[Cell]) -> None:
    """Who may not call gets no answer: by the server's policy, or for want of a way."""
    wrong = not_as_expected(cell for cell in cells if cell.expected == NOBODY)
    assert not wrong, wrong


@when(
    parsers.parse("each workload that is not allowed to call MySQL calls {service} of MySQL"),
    target_fixture="cells",
)
def others_call_mysql(
    call_each: CallEach, mysqls_names: MysqlsNames, evidence: Evidence, service: str
) -> list[Cell]:
    """Call MySQL's port once from each, by the tutorial's Service or one that leads to it alone."""
    cells = call_each(WITHOUT_MYSQL, mysqls_names(service))
    evidence.tell(drawn(f"to MySQL by {service}", cells))
    return cells


@then("no workload that is not allowed to call MySQL receives a byte from MySQL")
def others_receive_nothing(cells: list[Cell]) -> None:
    """The caller's own proxy has no way, so that not even the server's greeting comes through."""
    wrong = [str(cell) for cell in cells if not cell.nowhere]
    assert cells and not wrong, "\n".join(wrong)


@then("each workload that is not allowed to call MySQL receives MySQL's greeting")
def others_receive_the_greeting(cells: list[Cell]) -> None:
    """The server's greeting comes through before a policy is decided; no login is answered."""
    # Whether anything answers a login is what the whole matrix proves.
    gone = [str(cell) for cell in cells if not cell.answer.greeting]
    assert not gone, "\n".join([f"{len(gone)} of {len(cells)} get no greeting:", *gone])
