"""Results in the order of what was asked."""

from itertools import count

from coralline_crawler.order import InOrder
from hypothesis import given
from hypothesis import strategies as st

places = st.integers(0, 30).flatmap(lambda size: st.permutations(range(size)))


@given(places)
def test_with_room_enough_the_order_of_arrival_does_not_count(arrivals):
    order, taken = InOrder(len(arrivals)), []
    for index in arrivals:
        order.put(index, index, 1)
        taken += order.take()
    assert taken == sorted(arrivals)


@given(places, st.integers(0, 200), st.data())
def test_all_come_out_once_and_no_more_than_allowed_is_held(arrivals, max_size, data):
    order, taken, held = InOrder(max_size), set(), {}
    for index in arrivals:
        held[index] = data.draw(st.integers(0, 20))
        order.put(index, index, held[index])
        everything = data.draw(st.integers(0, 9)) == 0
        came = order.take(everything)
        gap = next(index for index in count() if index not in taken and index not in held)
        behind = sum(size for index, size in held.items() if index > gap)
        if everything or behind > max_size:
            assert came == sorted(held)
        else:
            assert came == sorted(index for index in held if index < gap)
        for index in came:
            del held[index]
        taken.update(came)
        assert len(order) == len(held)
    assert order.take(everything=True) == sorted(held)
    assert len(order) == 0


def test_what_has_gone_counts_no_longer():
    # It did: once 64 MB had passed behind slow sites, everything was let go out of order.
    order = InOrder(10)
    order.put(1, 1, 1)
    for index in range(0, 40, 2):
        order.put(index + 3, index + 3, 1)
        order.put(index, index, 6)
        assert order.take() == [index, index + 1]
