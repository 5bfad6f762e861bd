"""Places go to the best claim, and the starved are fed along the shortest way."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from smalldet.models.assigners.matching import assign_unmatched, claim


def test_the_best_claim_wins_and_of_equals_the_first() -> None:
    objects, places = torch.tensor([0, 1, 0, 1, 1]), torch.tensor([0, 0, 1, 1, 2])
    alignment = torch.tensor([0.2, 0.9, 0.5, 0.5, -1.0])
    assert claim(objects, places, alignment, 2, 4).tolist() == [1, 0, -1, -1]


def test_owners_move_over_along_a_path() -> None:
    """Object 0 wants place 0 alone; 1, who holds it, can go to 1; 2, who holds that, to 2."""
    wishes = torch.tensor([0, 0, 1, 1, 2])
    fed = assign_unmatched(torch.tensor([1, 2, -1]), wishes, torch.tensor([1, 2, 2]))
    assert fed.tolist() == [0, 1, 2]


def test_an_object_that_no_place_is_left_for_takes_nobody_s() -> None:
    owner = torch.tensor([0])
    assert assign_unmatched(owner, torch.tensor([0, 0]), torch.tensor([1, 1])).tolist() == [0]


def _most_fed(wishes: list[list[int]]) -> int:
    """Size of a maximum matching, by the textbook's recursion."""
    holder: dict[int, int] = {}

    def fits(taker: int, tried: set[int]) -> bool:
        for place in wishes[taker]:
            if place not in tried:
                tried.add(place)
                if place not in holder or fits(holder[place], tried):
                    holder[place] = taker
                    return True
        return False

    return sum(fits(taker, set()) for taker in range(len(wishes)))


@settings(deadline=None, max_examples=200)
@given(
    wishes=st.lists(st.lists(st.integers(0, 9), unique=True, max_size=4), min_size=1, max_size=12),
    data=st.data(),
)
def test_as_many_are_fed_as_any_matching_feeds(
    wishes: list[list[int]], data: st.DataObject
) -> None:
    """And nobody who held a place goes without, and nobody gets one that it did not want."""
    owner: Tensor = torch.full((10,), -1)
    for place in range(10):
        wanting = [taker for taker, wish in enumerate(wishes) if place in wish]
        owner[place] = data.draw(st.sampled_from([-1, *wanting]))
    places = torch.tensor([place for wish in wishes for place in wish], dtype=torch.long)
    fed = assign_unmatched(owner, places, torch.tensor([len(wish) for wish in wishes])).tolist()
    assert len({taker for taker in fed if taker >= 0}) == _most_fed(wishes)
    assert set(owner.tolist()) <= {-1, *fed}
    assert all(taker == -1 or place in wishes[taker] for place, taker in enumerate(fed))
