"""The table as it is printed: as the tutorial shows it, wider, or for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from meshproof.tls.check import Table
from meshproof.tls.evaluation import Row

HEADINGS = ("HOST:PORT", "STATUS", "SERVER", "CLIENT", "AUTHN POLICY", "DESTINATION RULE")
WIDE = ("SERVER MODE", "CLIENT MODE", "CLIENT POD", "SERVER PODS")
#: Between columns, as in the tutorial.
GAP = " " * 5


def render(tables: Sequence[Table], *, wide: bool = False) -> str:
    """Return a table for each host, with a line below it for each thing that disagrees."""
    return "\n\n".join(_table(table, wide=wide) for table in tables) + "\n"


def render_json(tables: Sequence[Table]) -> str:
    """Return all rows as a JSON list, for machines."""
    rows = [_json(row) for table in tables for row in table.rows]
    return json.dumps(rows, indent=2) + "\n"


def _table(table: Table, *, wide: bool) -> str:
    lines = [(*HEADINGS, *(WIDE if wide else ()))]
    for row in table.rows:
        lines.append((*row.columns, *(_wide(row) if wide else ())))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    notes = [f"{row.destination}: {note}." for row in table.rows for note in row.notes]
    return "\n".join([*text, *notes])


def _wide(row: Row) -> tuple[str, ...]:
    return (
        ",".join(row.server_modes),
        str(row.client.mode),
        str(row.client.pod),
        ",".join(str(server.pod) for server in row.servers),
    )


def _json(row: Row) -> dict[str, Any]:
    _, status, server, client, _, rule = row.columns
    return {
        "host": row.destination.host,
        "port": row.destination.port,
        "subset": row.destination.subset or None,
        "status": status,
        "server": server,
        "client": client,
        "authn_policy": row.columns[4],
        "destination_rule": rule,
        "client_mode": str(row.client.mode),
        "client_pod": str(row.client.pod),
        "servers": [
            {
                "pod": str(accepting.pod),
                "mode": str(accepting.mode),
                "authn_policy": accepting.policy.name,
                "proxied": accepting.pod.proxied,
                "sent": str(row.client.sends_to(accepting.pod)),
            }
            for accepting in row.servers
        ],
        "notes": list(row.notes),
    }
