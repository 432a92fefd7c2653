"""Taking down what was brought up: a cluster, or all that this machine has of it."""

from __future__ import annotations

import shutil

from meshproof.cluster.kind import LABEL, KindCluster
from meshproof.engine.engine import answering
from meshproof.engine.machine import this_machine
from meshproof.engine.provision import ensure_engine, unconfigure_daemon
from meshproof.environment.bring_up import only_one
from meshproof.environment.environment import link_tools, workshop
from meshproof.environment.options import Options
from meshproof.errors import ExitCode, MeshproofError, UsageFailure
from meshproof.paths import cache_dir, state_dir
from meshproof.progress import Progress

NOT_OURS = "`down` deletes only clusters that `up` made; an existing one is yours."


def down(options: Options, progress: Progress) -> bool:
    """Take the kind cluster down. Says whether there was one."""
    if options.cluster == "existing":
        raise UsageFailure(NOT_OURS)
    with only_one(options.cluster_name, progress):
        return _down(options, progress)


def down_all(options: Options, progress: Progress) -> tuple[list[str], ExitCode]:
    """Undo all that can be undone; returns what was done and what is left, in sentences.

    Every cluster that was made goes, and what was put into the engine's configuration. What cannot
    be undone keeps nothing else from it, and the code says so. Raises ``UsageFailure`` where the
    options are of an existing cluster.
    """
    if options.cluster == "existing":
        raise UsageFailure(NOT_OURS)
    folder = state_dir() / "clusters"
    names = {path.name for path in folder.iterdir() if path.is_dir()} if folder.exists() else set()
    said, code = [], ExitCode.ACCEPTED
    for name in sorted(names | {options.cluster_name}):
        try:
            if down(options.model_copy(update={"cluster_name": name}), progress):
                said.append(f"deleted: cluster {name}")
        except MeshproofError as error:
            said.append(f"left: cluster {name}. {error.sentence}")
            code = max(code, error.exit_code)
    try:
        said += unconfigure_daemon()
    except (OSError, ValueError) as error:  # it may not be written, or is no JSON
        said.append(f"left: the engine's configuration, which cannot be changed ({error})")
        code = max(code, ExitCode.ENVIRONMENT)
    for about, path in (
        ("what was built, and logs", cache_dir()),
        ("the history of reports and runs, and logs", state_dir()),
    ):
        if path.exists():
            said.append(f"left: {about}, in {path}")
    said.append("left: images in the engine whose names begin with localhost/meshproof/")
    return [*said, "left: Debian packages that were installed, Docker among them"], code


def _down(options: Options, progress: Progress) -> bool:
    engine = answering()
    machine = this_machine()
    if engine is None:
        if not shutil.which("dockerd"):
            return False
        engine = ensure_engine(machine, install=False, progress=progress)
    tools = state_dir() / "clusters" / options.cluster_name / "bin"
    kind = KindCluster(
        options.cluster_name, engine=engine, tools=tools, machine=machine, progress=progress
    )
    there = bool(kind.containers())
    if there and not (tools / "kind").exists():
        link_tools(workshop(engine, progress), tools)
    kind.delete()
    return there


def cluster_exists(options: Options) -> bool:
    """Whether there is a kind cluster of this name, as far as an engine that answers knows."""
    engine = answering()
    return engine is not None and bool(engine.containers(f"{LABEL}={options.cluster_name}"))
