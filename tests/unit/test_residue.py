"""What is left once the tutorial's namespaces are deleted: what may yet go, and what stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from meshproof.errors import BrokenWhateverStruck
from meshproof.probes.api_resources import Item
from meshproof.probes.inventory import Inventory, staying
from meshproof.probes.residue import STAYED_LOOKS, as_before
from meshproof.waiting import VOLUMES_GONE, NotKept

CLASS = Item("PriorityClass", "", "first", "1", "/first", owned=True)
VOLUME = Item("PersistentVolume", "", "pvc-1", "2", "/pvc-1", owned=True)
GOING = Item("PriorityClass", "", "second", "3", "/second", owned=True, going=True)
OTHERS = Item("PriorityClass", "", "third", "4", "/third", owned=False)
IN_NAMESPACE = Item("Pod", "voting", "a", "5", "/a", owned=True)
NOTHING = Inventory(frozenset(), 5, frozenset())


def holding(*items: Item) -> Inventory:
    return Inventory(frozenset(items), 5, frozenset())


class Looks:
    """Sees each inventory once, and the last one for ever; counts."""

    def __init__(self, *seen: Inventory) -> None:
        self.seen = list(seen)
        self.taken = 0

    def __call__(self) -> Inventory:
        self.taken += 1
        return self.seen[min(self.taken, len(self.seen)) - 1]


def test_what_stays_is_the_harnesss_own_of_the_whole_cluster_and_not_on_its_way_out() -> None:
    after = holding(CLASS, VOLUME, GOING, OTHERS, IN_NAMESPACE)
    assert staying(NOTHING, after) == {CLASS}
    assert staying(holding(CLASS), after) == frozenset()


def test_what_nobody_takes_away_is_told_once_it_was_seen_often_enough(
    no_time_passes: Callable[[], float],
) -> None:
    looks = Looks(holding(CLASS, VOLUME), holding(CLASS))
    with pytest.raises(BrokenWhateverStruck) as raised:
        as_before(NOTHING, looks)
    assert str(raised.value) == "left behind: PriorityClass first"
    assert looks.taken == STAYED_LOOKS
    assert no_time_passes() < VOLUMES_GONE.seconds / 2


def test_only_what_stays_is_told_then(no_time_passes: Callable[[], float]) -> None:
    before = holding(replace(CLASS, name="node", uid="6"))
    with pytest.raises(BrokenWhateverStruck) as raised:
        as_before(before, Looks(holding(CLASS, VOLUME, OTHERS, IN_NAMESPACE)))
    assert str(raised.value) == "left behind: PriorityClass first"


def test_it_has_to_be_there_at_each_look_and_not_another_one_each_time(
    no_time_passes: Callable[[], float],
) -> None:
    others = [holding(replace(CLASS, uid=f"{number}")) for number in range(40)]
    looks = Looks(*others, NOTHING)
    assert as_before(NOTHING, looks).results
    assert looks.taken == len(others) + 1


def test_looks_that_fail_in_between_begin_the_count_anew(
    no_time_passes: Callable[[], float],
) -> None:
    looks, asked = Looks(holding(CLASS)), count(1)

    def now() -> Inventory:
        if next(asked) % STAYED_LOOKS == 0:
            raise OSError("nobody answers")
        return looks()

    with pytest.raises(NotKept):
        as_before(NOTHING, now)


def test_what_is_gone_before_it_was_seen_so_often_is_as_promised(
    no_time_passes: Callable[[], float],
) -> None:
    looks = Looks(*[holding(CLASS)] * (STAYED_LOOKS - 1), NOTHING)
    assert len(as_before(NOTHING, looks).results) == 1


@pytest.mark.parametrize("item", [VOLUME, GOING, OTHERS, IN_NAMESPACE])
def test_what_may_yet_go_is_waited_for_as_long_as_it_may_take(
    item: Item, no_time_passes: Callable[[], float]
) -> None:
    with pytest.raises(NotKept, match="left behind: "):
        as_before(NOTHING, Looks(holding(item)))
    assert no_time_passes() >= VOLUMES_GONE.seconds
    slow = Looks(*[holding(item)] * 20, NOTHING)
    assert len(as_before(NOTHING, slow).results) == 1
