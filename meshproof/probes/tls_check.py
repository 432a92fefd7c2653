"""Asks tls-check until the proxies have what istiod would send them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from meshproof.analysis.observation import Observation
from meshproof.cluster.cluster import Cluster
from meshproof.tls.check import Table, tls_check
from meshproof.tls.modes import Status
from meshproof.tls.table import HEADINGS, render
from meshproof.waiting import PROXIES_SYNCED, converge
from meshproof.wording import by_name, number


def settled_tables(
    cluster: Cluster,
    namespace: str,
    hosts: Sequence[str],
    client: str | None,
    keep: Callable[[Observation], object],
) -> list[Table]:
    """Return tls-check's tables of hosts, once no row of them drifts; ``keep`` gets the last look.

    Raises ``NotKept`` where a row still drifts, and the problem of a host that cannot be read.
    """
    tables: list[Table] = []

    def drifting() -> list[str]:
        tables[:] = tls_check(cluster, hosts, namespace=namespace, client=client)
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
        keep(printed(tables))
    return tables


def printed(tables: Sequence[Table]) -> Observation:
    """Say what tls-check printed."""
    rows = [row for table in tables for row in table.rows]
    said = Counter(str(row.status) for row in rows)
    return Observation(
        results=[f"tls-check printed {number(len(rows), 'row')}: {by_name(said)}."],
        details=["; ".join(map(str, table.rows)) for table in tables],
        texts={"tls-check": render(tables, wide=True)},
    )


def against_rows(tables: Sequence[Table], rows: Sequence[Sequence[str]], namespace: str) -> str:
    """Say what tls-check prints where these are not its rows, heading first; empty where they are.

    ``{namespace}`` in them stands for the namespace.
    """
    expected = [tuple(cell.format(namespace=namespace) for cell in row) for row in rows]
    seen = [HEADINGS, *(row.columns for table in tables for row in table.rows)]
    return "" if seen == expected else f"tls-check prints\n{render(tables, wide=True)}"
