"""The hint that minutes may be over: the task that publishes them, by its name, and the queue it goes to.

The domain knows nothing of the tasks, and whoever sends a hint needs nothing else of them.
"""

FLUSH = "tasks.flush.flush_closed_minutes"
QUEUE = "tally.flush"
