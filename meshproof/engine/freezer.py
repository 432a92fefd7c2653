"""Containers that cannot end: control groups of version 1 keep what is frozen from being killed.

runc freezes a container for some 50 ms while it sets it up. Where its node is killed just then,
runc is killed with it and thaws nothing: the node waits for what is frozen, and the engine says
that it “did not receive an exit event”. In version 2 what is frozen can be killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from meshproof.engine.engine import Container, Engine
from meshproof.errors import EnvironmentBroken
from meshproof.process import CommandFailed

FREEZER = Path("/sys/fs/cgroup/freezer")
THAWED = "THAWED"
#: Run in a node: whoever starts containers stops, the runc that they have started gets 5 s to end,
#: and what is frozen then is thawed.
SETTLE = f"""\
pkill -STOP -x kubelet
pkill -STOP -x containerd
looks=0
while pgrep -x runc >/dev/null && [ $looks -lt 50 ]; do looks=$((looks + 1)); sleep 0.1; done
find {FREEZER} -name freezer.state ! -path {FREEZER}/freezer.state |
while read -r state; do echo {THAWED} >"$state"; done
"""
#: Seconds that a node has to do so; it takes 0.3, and one that does not answer is killed as it is.
SETTLE_TIMEOUT = 20.0


def settle(engine: Engine, node: str) -> None:
    """Have nothing in a node be frozen, nor become so, before it is killed; it is of no use then.

    Nothing is raised: a node that does not run has nothing to settle.
    """
    with suppress(CommandFailed):
        engine.run("exec", node, "sh", "-c", SETTLE, check=False, timeout=SETTLE_TIMEOUT)


def thaw(nodes: Sequence[Container], root: Path = FREEZER) -> bool:
    """Thaw what is frozen in nodes from outside, as this machine sees it; whether anything was.

    Raises ``EnvironmentBroken`` where only root may.
    """
    found = False
    for node in nodes:
        for state in frozen(node.id, root):
            found = True
            try:
                state.write_text(THAWED)
            except PermissionError as error:
                raise EnvironmentBroken(
                    f"The node {node.name} cannot end: processes in it are frozen, and only root "
                    "may thaw them. Run `meshproof down` as root.",
                    f"{state}: {error}",
                ) from error
            except FileNotFoundError:  # it has ended meanwhile
                continue
    return found


def frozen(container_id: str, root: Path) -> list[Path]:
    """The states of all control groups of a container that are frozen, the outermost first."""
    groups = [group for group in root.rglob(f"*{container_id}*") if group.is_dir()]
    states = {state for group in groups for state in group.rglob("freezer.state")}
    return [state for state in sorted(states) if _read(state) not in (THAWED, "")]


def _read(state: Path) -> str:
    try:
        return state.read_text().strip()
    except OSError:  # it has ended meanwhile
        return ""
