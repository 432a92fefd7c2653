from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshproof.engine.machine import (
    CAPABILITIES,
    Machine,
    inotify_held,
    os_release,
    status_field,
    this_machine,
    withheld_capabilities,
)

STATUS = """\
Name:\tpython3
Umask:\t0022
CapPrm:\t000001fffeffffff
CapBnd:\t000001fffeffffff
NoNewPrivs:\t0
"""


@pytest.mark.parametrize(
    ("mask", "last", "withheld"),
    [
        ("000001ffffffffff", 40, ()),
        ("000001fffeffffff", 40, ("CAP_SYS_RESOURCE",)),
        ("000001fffffffffe", 40, ("CAP_CHOWN",)),
        ("000000ffffffffff", 40, ("CAP_CHECKPOINT_RESTORE",)),
        ("000000ffffffffff", 39, ()),  # an older kernel: it knows no capability 40
        ("000003ffffffffff", 41, ()),  # a newer kernel than this list
        ("0000000000000000", 40, CAPABILITIES),
    ],
)
def test_withheld_capabilities(mask: str, last: int, withheld: tuple[str, ...]) -> None:
    assert withheld_capabilities(mask, last) == withheld


@given(st.sets(st.sampled_from(range(len(CAPABILITIES)))))
def test_just_the_bits_that_are_not_set_are_withheld(missing: set[int]) -> None:
    mask = sum(1 << number for number in range(len(CAPABILITIES)) if number not in missing)
    names = tuple(CAPABILITIES[number] for number in sorted(missing))
    assert withheld_capabilities(f"{mask:016x}", len(CAPABILITIES) - 1) == names


def test_capabilities_stand_at_their_numbers() -> None:
    numbers = {"CAP_CHOWN": 0, "CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_SYS_RESOURCE": 24}
    assert {name: CAPABILITIES.index(name) for name in numbers} == numbers
    assert CAPABILITIES[40] == "CAP_CHECKPOINT_RESTORE"


def test_a_field_of_a_process_status() -> None:
    assert status_field(STATUS, "CapBnd") == "000001fffeffffff"
    with pytest.raises(KeyError):
        status_field(STATUS, "Cap")


def test_os_release_with_quotes_blank_lines_and_comments() -> None:
    text = "# who we are\nID=debian\n\nVERSION_CODENAME='bookworm'\nPRETTY_NAME=\"A = B\"\n"
    assert os_release(text) == {
        "ID": "debian",
        "VERSION_CODENAME": "bookworm",
        "PRETTY_NAME": "A = B",
    }


@pytest.mark.parametrize(
    ("change", "apt", "debian"),
    [
        ({}, "/usr/bin/apt-get", True),
        ({"root": False}, "/usr/bin/apt-get", False),
        ({"distribution": "fedora"}, "/usr/bin/apt-get", False),
        ({}, None, False),
    ],
)
def test_packages_can_be_installed_on_debian_as_root(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    apt: str | None,
    debian: bool,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: apt)
    assert replace(machine, **change).debian is debian


def test_this_machine_is_found_out() -> None:
    here = this_machine()
    assert here.cores >= 1
    assert here.cgroup in (1, 2)
    assert here.memory > 2**28
    assert here.disk_free > 0
    assert set(here.withheld) < set(CAPABILITIES) or not here.root


def process(proc: Path, number: str, *files: str) -> None:
    """A process of /proc with these open files."""
    folder = proc / number / "fd"
    folder.mkdir(parents=True)
    for descriptor, target in enumerate(files):
        (folder / str(descriptor)).symlink_to(target)


def test_instances_of_inotify_are_those_of_the_users_processes(tmp_path: Path) -> None:
    process(tmp_path, "1", "/dev/null", "anon_inode:inotify", "anon_inode:[eventpoll]")
    process(tmp_path, "27", "anon_inode:inotify", "anon_inode:inotify")
    process(tmp_path, "self", "anon_inode:inotify")  # one of the others, by another name
    (tmp_path / "3").mkdir()  # it has ended
    assert inotify_held(os.getuid(), tmp_path) == 3
    assert inotify_held(os.getuid() + 1, tmp_path) == 0
