"""Every Python of a host with a wrong clock runs this first, because libfaketime can't do Python's own sleep.

It takes the moment to sleep to, which is one of the monotonic clock, for one of the clock that it bends.
"""

import select
import time
from functools import partial

time.sleep = partial(select.select, [], [], [])  # type: ignore[assignment]
