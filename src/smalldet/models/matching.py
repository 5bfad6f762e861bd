"""One location for every object, wherever a one-to-one assignment exists."""

from __future__ import annotations

import torch
from torch import Tensor


def feed_starved(
    owner: Tensor, objects: Tensor, places: Tensor, alignment: Tensor, num_objects: int
) -> Tensor:
    """Give every object without a location one of its candidates.

    A starved object takes its best candidate that is free or whose owner has another; where
    there is none, owners move over along an augmenting path. Few objects starve, so this runs on
    plain lists and touches nothing else.

    Args:
        owner: (L,) int64 object that holds each location, or -1.
        objects: (P,) object of each candidate pair.
        places: (P,) location of each candidate pair.
        alignment: (P,) how well a pair suits.
        num_objects: N.

    Returns:
        (L,) owners; every object holds a location if the candidates allow it.

    Source: augmenting paths, Kuhn 1955.
    """
    held = torch.bincount(owner[owner >= 0], minlength=num_objects)
    starved = (held == 0).nonzero()[:, 0].tolist()
    if not starved:
        return owner
    order = torch.argsort(alignment, descending=True, stable=True)
    order = order[torch.argsort(objects[order], stable=True)]
    bounds = torch.bincount(objects, minlength=num_objects).cumsum(0).tolist()
    wanted = places[order].tolist()
    wants = [wanted[start:end] for start, end in zip([0, *bounds[:-1]], bounds, strict=True)]
    owners, counts = owner.tolist(), held.tolist()
    for needy in starved:
        _augment(needy, wants, owners, counts)
    return torch.tensor(owners, dtype=torch.long, device=owner.device)


def _augment(needy: int, wants: list[list[int]], owners: list[int], counts: list[int]) -> bool:
    """Shift locations along a shortest path that ends at a free or a spare one."""
    came_from: dict[int, int] = {}  # location: the object that would take it
    queue = [needy]
    seen = {needy}
    for taker in queue:
        for place in wants[taker]:
            if place in came_from:
                continue
            came_from[place] = taker
            holder = owners[place]
            if holder == -1 or counts[holder] > 1:
                _shift(place, needy, came_from, owners, counts)
                return True
            if holder not in seen:
                seen.add(holder)
                queue.append(holder)
    return False


def _shift(
    place: int, needy: int, came_from: dict[int, int], owners: list[int], counts: list[int]
) -> None:
    """Every object of the path takes the location it asked for and frees the one that it held."""
    if owners[place] != -1:
        counts[owners[place]] -= 1
    while True:
        taker = came_from[place]
        left = next((p for p, t in came_from.items() if owners[p] == taker), None)
        owners[place] = taker
        if taker == needy:
            counts[needy] += 1
            return
        assert left is not None  # only an object that holds a location is asked to move
        place = left
