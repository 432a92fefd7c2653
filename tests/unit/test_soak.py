"""What a soak's table is made of."""

from __future__ import annotations

from tests.soak.growth import PROGRAMS, memory

STATUSES = """\
Name:\tetcd
Umask:\t0022
VmRSS:\t    2048 kB
Threads:\t8
Name:\tkthreadd
Threads:\t1
Name:\tenvoy
VmRSS:\t    1000 kB
Name:\tsh
VmRSS:\t    9999 kB
Name:\tenvoy
VmRSS:\t    1048 kB
"""


def test_memory_is_added_up_by_program() -> None:
    assert memory(STATUSES) == dict.fromkeys(PROGRAMS, 0) | {"etcd": 2, "envoy": 2}
