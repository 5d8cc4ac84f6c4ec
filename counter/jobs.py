"""Jobs: the tasks that are sent by name, and the queues they go to.

The domain knows nothing of the tasks, and whoever sends one needs nothing else of them.
"""

FLUSH = "tasks.flush.flush_closed_minutes"
HISTORY = "tasks.history.follow_topic"
FLUSH_QUEUE = "tally.flush"
CALLBACK = "tasks.callbacks.call_endpoint"
CALLBACK_QUEUE = "tally.callbacks"
