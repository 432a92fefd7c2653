"""A pytest plugin that writes down what each test cost, as properties in the JUnit report.

Only of one lane can be said what a scenario cost: with several, they share the processors.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack

import pytest

from benchmarks.costs import Cost, measured

#: The properties' names: seconds by the clock, and of all processors.
SECONDS, BUSY = "seconds", "busy_seconds"
MEASURED = pytest.StashKey[tuple[ExitStack, Cost]]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Begin to measure a test before anything of it is set up."""
    with ExitStack() as stack:
        item.stash[MEASURED] = stack, stack.enter_context(measured())
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the cost into the test's last report, from which JUnit's properties are written."""
    report = yield
    if call.when == "teardown" and MEASURED in item.stash:
        stack, cost = item.stash[MEASURED]
        del item.stash[MEASURED]
        stack.close()
        report.user_properties += [(SECONDS, f"{cost.seconds:.3f}"), (BUSY, f"{cost.busy:.3f}")]
    return report
