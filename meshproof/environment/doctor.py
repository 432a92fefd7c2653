"""What this machine has and lacks, before anything is brought up."""

from __future__ import annotations

import shutil
from pathlib import Path

from meshproof.cluster.kind import KindCluster
from meshproof.cluster.kind import plan as plan_cluster
from meshproof.engine.engine import Engine, answering
from meshproof.engine.machine import Machine, this_machine
from meshproof.engine.provision import plan as plan_engine
from meshproof.environment.bring_up import BUILD_PACKAGES
from meshproof.environment.environment import workshop
from meshproof.environment.finding import Finding
from meshproof.environment.inotify import inotify_finding
from meshproof.environment.options import Options
from meshproof.environment.readiness import readiness
from meshproof.progress import Progress

#: Bytes; a cold build leaves some 12 GB behind, Go's build cache counted.
DISK_NEEDED = 20 * 10**9


#: Bytes; cluster, mesh and application take under 3 GiB, a link of Kubernetes about 2.
MEMORY_NEEDED = 6 * 2**30


def doctor(options: Options) -> list[Finding]:
    """Say what this machine has and lacks and what `up` would do, in seconds, changing nothing.

    Of a cluster that exists it is said instead whether that is ready for a run.
    """
    if options.cluster == "existing":
        return readiness(options)
    machine = this_machine()
    engine = answering()
    can_install = machine.debian and options.install
    can_start = machine.root if shutil.which("dockerd") else can_install
    findings = [
        Finding("machine", f"{machine.distribution} {machine.codename}, {machine.cores} cores, "
                f"{machine.memory / 2**30:.1f} GiB, cgroup v{machine.cgroup}"),
        Finding("capabilities", f"withheld: {', '.join(machine.withheld)}; one "
                "started here gets a runtime without" if machine.withheld else "all there"),
        Finding("memory", "enough" if machine.memory >= MEMORY_NEEDED else
                f"{MEMORY_NEEDED / 2**30:.0f} GiB are needed", machine.memory < MEMORY_NEEDED),
        Finding("disk", f"{machine.disk_free / 10**9:.0f} GB free; a cold build takes up to "
                f"{DISK_NEEDED / 10**9:.0f}", machine.disk_free < DISK_NEEDED // 4),
        Finding("engine", plan_engine(machine, engine, install=options.install),
                engine is None and not can_start),
        inotify_finding(machine, options.nodes),
    ]  # fmt: skip
    if engine and engine.rootless:
        findings.append(rootless_finding(machine, engine))
    for program, package in BUILD_PACKAGES.items():
        if not shutil.which(program):
            would = f"the Debian package {package} would be installed"
            lacking = f"missing: install the package {package}"
            text = would if can_install else lacking
            findings.append(Finding(program, text, fatal=not can_install))
    shop = workshop(engine, Progress())
    missing = shop.missing(["kind", "istio", "kubernetes", "node", "application"])
    findings.append(
        Finding(
            "supply", f"to be built: {', '.join(missing)}" if missing else "everything is built"
        )
    )
    if options.cluster == "kind" and engine:
        kind = KindCluster(options.cluster_name, engine=engine, tools=Path(), machine=machine,
                           progress=Progress())  # fmt: skip
        image = options.node_image or shop.image("node")
        decided = plan_cluster(kind.containers(), nodes=options.nodes, image=image)
        findings.append(Finding("cluster", f"would {decided.action}: {decided.reason}"))
    return findings


def rootless_finding(machine: Machine, engine: Engine) -> Finding:
    """Say what a rootless engine needs, which on cgroup v1 kind refuses."""
    needs = "kind needs cgroup v2 for that, with cpu, memory and pids delegated to this user"
    return Finding(
        "rootless",
        f"{engine.name} runs without root: {needs}; where a node does not start, start it as root",
        fatal=machine.cgroup == 1,
    )
