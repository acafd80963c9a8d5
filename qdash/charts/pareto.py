"""The best trade-offs: the points that no other beats in both directions at once (Pareto 1906).

One pass over the points in order of cost.
"""

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points (cost, loss), both better when smaller, that no other is at least as good as in both and better in one.

    In order of cost. Equal points are on the front together or not at all. Coordinates must be numbers, infinite ones included.
    """
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda place: points[place]):
        cost, loss = points[index]
        if not front or loss < points[front[-1]][1] or (cost, loss) == points[front[-1]]:
            front.append(index)
    return front
