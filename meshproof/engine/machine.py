"""What this machine is: found out, not assumed."""

from __future__ import annotations

import os
import resource
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: The user that Istio's proxies run as, in whatever cluster.
PROXY_USER = 1337

# In the order of their numbers (capabilities(7)).
CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)


@dataclass(frozen=True)
class Machine:
    """The facts that decide how an engine and a node are set up.

    Limits are counts (-1: unlimited), those of inotify for each user; ``inotify_held`` is how many
    instances the proxies hold that run here. ``memory`` and ``disk_free`` are bytes.
    """

    distribution: str
    codename: str
    root: bool
    systemd: bool
    cgroup: int
    withheld: tuple[str, ...]
    open_files: int
    processes: int
    cores: int
    memory: int
    disk_free: int
    inotify_instances: int
    inotify_watches: int
    inotify_held: int

    @property
    def debian(self) -> bool:
        """Whether packages can be installed from Debian by this user."""
        return self.root and self.distribution == "debian" and shutil.which("apt-get") is not None


def withheld_capabilities(bounding_set: str, last: int) -> tuple[str, ...]:
    """Name the capabilities missing from a ``CapBnd`` line's hexadecimal mask.

    ``last`` is the highest capability that the kernel knows.
    """
    mask = int(bounding_set, 16)
    known = CAPABILITIES[: last + 1]
    return tuple(name for number, name in enumerate(known) if not mask >> number & 1)


def status_field(status: str, name: str) -> str:
    """Return one field of ``/proc/<pid>/status``. Raises ``KeyError`` where it is not there."""
    for line in status.splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    raise KeyError(name)


def kernel_limit(name: str, settings: Path = Path("/proc/sys")) -> int:
    """Read one of the kernel's limits, by its path below ``settings``; -1 where there is none."""
    file = settings / name
    return int(file.read_text()) if file.exists() else -1


def inotify_held(user: int, processes: Path = Path("/proc")) -> int:
    """Count the instances of inotify that a user's processes hold, of any container.

    What may not be looked at is not counted: without root, that is what other users hold.
    """
    return sum(_held(one) for one in processes.glob("[0-9]*") if _is_of(one, user))


def _is_of(process: Path, user: int) -> bool:
    try:
        return process.stat().st_uid == user
    except OSError:  # it has ended
        return False


def _held(process: Path) -> int:
    found = 0
    # Either it ends meanwhile, or its files are none of ours.
    with suppress(OSError):
        for file in (process / "fd").iterdir():
            with suppress(OSError):
                found += str(file.readlink()) == "anon_inode:inotify"
    return found


def os_release(text: str) -> dict[str, str]:
    """Read an os-release file."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}


def this_machine() -> Machine:
    """Look at the machine that this process runs on."""
    release_file = Path("/etc/os-release")
    release = os_release(release_file.read_text()) if release_file.exists() else {}
    status = Path("/proc/self/status").read_text()
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    # The bounding set, not the effective one: a container's runtime runs as root of this machine.
    return Machine(
        distribution=release.get("ID", "unknown"),
        codename=release.get("VERSION_CODENAME", ""),
        root=os.geteuid() == 0,
        systemd=Path("/run/systemd/system").is_dir(),
        cgroup=2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1,
        withheld=withheld_capabilities(status_field(status, "CapBnd"), last),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        processes=resource.getrlimit(resource.RLIMIT_NPROC)[1],
        cores=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        disk_free=shutil.disk_usage(Path.home()).free,
        inotify_instances=kernel_limit("fs/inotify/max_user_instances"),
        inotify_watches=kernel_limit("fs/inotify/max_user_watches"),
        inotify_held=inotify_held(PROXY_USER),
    )
