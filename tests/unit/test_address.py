"""The address that the tutorial's command prints, before it stands in a shell's command."""

from __future__ import annotations

import pytest

from meshproof.errors import PromiseBroken
from meshproof.probes.commands import address_in


@pytest.mark.parametrize("printed", ["10.0.0.1", "10.0.0.1\n", " 2001:db8::1 "])
def test_an_address_is_taken_as_it_is(printed: str) -> None:
    assert address_in(printed) == printed.strip()


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "\n",
        "10.0.0.1; reboot",
        "$(id)",
        "`id`",
        "10.0.0.1 10.0.0.2",
        "gateway.example",
        "10.0.0",
    ],
)
def test_anything_else_is_no_address_and_in_no_command(printed: str) -> None:
    with pytest.raises(PromiseBroken, match="and no IP address"):
        address_in(printed)
