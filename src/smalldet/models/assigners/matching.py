"""Places to objects: the best claim wins, and nobody starves who could be fed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def claim(
    objects: Tensor, places: Tensor, alignment: Tensor, num_objects: int, num_places: int
) -> Tensor:
    """Each place to the best aligned of the objects that claim it.

    Args:
        objects: (P,) object of each pair.
        places: (P,) place of each pair.
        alignment: (P,) how well the pair suits; below 0 it is no claim.
        num_objects: N.
        num_places: M.

    Returns:
        (M,) int64 object that holds each place, the first of equals; -1 for nobody.
    """
    best = alignment.new_zeros(num_places).scatter_reduce(0, places, alignment, "amax")
    winners = torch.where(alignment == best[places], objects, num_objects)
    nobody = torch.full_like(best, num_objects, dtype=torch.long)
    owner = nobody.scatter_reduce(0, places, winners, "amin")
    return torch.where(owner == num_objects, -1, owner)


def assign_unmatched(owner: Tensor, places: Tensor, counts: Tensor) -> Tensor:
    """Give every object without a place one of its candidates.

    A starved object takes its best candidate that is free or whose owner has another; where
    there is none, owners move over along an augmenting path. Few objects starve, so paths are
    walked on the CPU, and nothing is copied to it where nobody does.

    Args:
        owner: (places,) int64 object that holds each place, or -1.
        places: (P,) place of each candidate pair: object by object, the best of each first.
        counts: (N,) candidate pairs of each object.

    Returns:
        (places,) owners; every object holds a place if the candidates allow it.

    Source: augmenting paths, Kuhn 1955.
    """
    # row 0 counts the places that nobody holds
    held = torch.zeros(len(counts) + 1, dtype=torch.long, device=owner.device)
    held = held.scatter_add(0, owner + 1, torch.ones_like(owner))[1:]
    if bool((held > 0).all()):
        return owner
    packed = torch.cat([held, counts, places, owner[places]]).cpu().numpy()
    ends = np.cumsum([len(held), len(counts), len(places)])
    table = _Table(*np.split(packed, ends))
    for needy in table.starved():
        table.feed(needy)
    moved = torch.tensor([*table.moved.items()], dtype=torch.long).to(owner.device)
    return owner.index_put((moved[:, 0],), moved[:, 1]) if len(moved) else owner


class _Table:
    """Who wants which places and who sits there; rows are read only where a path passes."""

    def __init__(
        self, held: np.ndarray, counts: np.ndarray, places: np.ndarray, owners: np.ndarray
    ) -> None:
        self.held: list[int] = held.tolist()
        self.counts, self.ends = counts, counts.cumsum()
        self.places, self.owners = places, owners
        self.moved: dict[int, int] = {}

    def starved(self) -> list[int]:
        """Objects that hold no place."""
        return [taker for taker, num_places in enumerate(self.held) if num_places == 0]

    def wishes(self, taker: int) -> list[tuple[int, int]]:
        """Places that an object wants, best first, and who holds each now."""
        end = self.ends[taker]
        rows = slice(end - self.counts[taker], end)
        places: list[int] = self.places[rows].tolist()
        owners: list[int] = self.owners[rows].tolist()
        return [(p, self.moved.get(p, holder)) for p, holder in zip(places, owners, strict=True)]

    def feed(self, needy: int) -> None:
        """Shift places along a shortest path that ends at a free or a spare one."""
        asked: dict[int, int] = {}  # place: the object that would take it
        left: dict[int, int] = {}  # object: the place that it would leave
        queue = [needy]
        for taker in queue:
            for place, holder in self.wishes(taker):
                if place in asked:
                    continue
                asked[place] = taker
                if holder == -1 or self.held[holder] > 1:
                    self.shift(place, holder, needy, asked, left)
                    return
                if holder not in left:
                    left[holder] = place
                    queue.append(holder)

    def shift(
        self, place: int, holder: int, needy: int, asked: dict[int, int], left: dict[int, int]
    ) -> None:
        """Every object of the path takes the place it asked for and frees the one it held."""
        if holder != -1:
            self.held[holder] -= 1
        while (taker := asked[place]) != needy:
            self.moved[place] = taker
            place = left[taker]
        self.moved[place] = needy
        self.held[needy] += 1
