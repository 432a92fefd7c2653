"""What tls-check says of the mesh."""

from __future__ import annotations

import re
from collections import Counter

from pytest_bdd import parsers, then, when

from meshproof.signoff.evidence import Evidence
from meshproof.suite.tutorial import Tutorial
from meshproof.tls.check import Table, tls_check
from meshproof.tls.modes import Status
from meshproof.tls.table import HEADINGS, render
from meshproof.waiting import PROXIES_SYNCED, converge
from meshproof.wording import by_name, number


@when(
    parsers.re(
        r'tls-check is run for (?P<hosts>"[^"]+"(?:(?:,| and) "[^"]+")*)'
        r'(?:, with "(?P<client>[^"]+)" as the client)?'
    ),
    target_fixture="tables",
)
def _(tutorial: Tutorial, evidence: Evidence, hosts: str, client: str | None) -> list[Table]:
    names = re.findall(r'"([^"]+)"', hosts)
    tables: list[Table] = []

    def drifting() -> list[str]:
        tables[:] = tls_check(tutorial.cluster, names, namespace=tutorial.namespace, client=client)
        for table in tables:
            if table.problem:
                raise table.problem
        rows = [row for table in tables for row in table.rows]
        return [str(row) for row in rows if row.status is Status.DRIFT]

    try:
        converge(
            drifting,
            until=lambda rows: not rows,
            what="the proxies have loaded what istiod would send them",
            timeout=PROXIES_SYNCED,
            promised=True,
        )
    finally:
        evidence.text("tls-check", render(tables, wide=True))
        rows = [row for table in tables for row in table.rows]
        said = Counter(str(row.status) for row in rows)
        evidence.result(f"tls-check printed {number(len(rows), 'row')}: {by_name(said)}.")
        for table in tables:
            evidence.observe("; ".join(map(str, table.rows)))
    return tables


@then("it prints these rows")
def _(tables: list[Table], tutorial: Tutorial, datatable: list[list[str]]) -> None:
    expected = [tuple(cell.format(namespace=tutorial.namespace) for cell in r) for r in datatable]
    printed = [HEADINGS, *(row.columns for table in tables for row in table.rows)]
    assert printed == expected, f"tls-check prints\n{render(tables, wide=True)}"
