"""Lines that are said before tests run: each is whole when who else writes goes on."""

from __future__ import annotations

import io
from contextlib import nullcontext
from types import SimpleNamespace
from typing import cast

import pytest
from _pytest._io import TerminalWriter

from meshproof.plugin.bring_up import progress_of


class Seen(io.StringIO):
    """A terminal that shows what was flushed."""

    shown = ""

    def flush(self) -> None:
        super().flush()
        self.shown = self.getvalue()


def test_a_line_is_shown_with_its_end() -> None:
    seen = Seen()
    writer = TerminalWriter(seen)
    terminal = SimpleNamespace(
        ensure_newline=lambda: None, write_line=writer.line, flush=writer.flush
    )
    capture = SimpleNamespace(global_and_fixture_disabled=nullcontext)
    plugins = {"capturemanager": capture, "terminalreporter": terminal}
    config = SimpleNamespace(pluginmanager=SimpleNamespace(getplugin=plugins.get))
    progress_of(cast("pytest.Config", config)).note("installing Istio")
    assert seen.shown.endswith("installing Istio\n")
