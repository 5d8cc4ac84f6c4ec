"""Opening a counter on the way: the first call of all that is for it finds it unopened."""

from redis.exceptions import RedisError

from counter.redis.clients import connect_for_accept
from counter.sinks.redis.delivery import Delivery
from counter.store.opening import NotOpened, open_counter


def open_counters(delivery: Delivery) -> None:
    """Open those that the delivery waits for, or have it refuse their calls."""
    with connect_for_accept() as client:
        while delivery.unopened:
            counter = delivery.unopened.pop()
            try:
                open_counter(client, counter)
            except NotOpened as error:
                delivery.refuse(counter, error)
            except RedisError as error:
                delivery.last_error = error
