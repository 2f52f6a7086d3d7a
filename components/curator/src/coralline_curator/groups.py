"""Groups: images that must not be in two splits, since they show the same."""

from collections.abc import Iterable


def components(n: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """The connected components of `n` things.

    Returns:
        For each thing, the least member of its component.

    >>> components(5, [(1, 3), (3, 4)])
    [0, 1, 2, 1, 1]
    """
    parents = list(range(n))

    def root(thing: int) -> int:
        while parents[thing] != thing:
            parents[thing] = thing = parents[parents[thing]]
        return thing

    for one, other in links:
        low, high = sorted((root(one), root(other)))
        parents[high] = low
    return [root(thing) for thing in range(n)]
