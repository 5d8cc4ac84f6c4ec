"""The tasks that are sent by name, and the queues they go to.

The domain knows nothing of the tasks, and whoever sends one needs nothing else of them. The names are older
than the modules that the tasks are in, and stay: a message may wait in a queue while Tally is upgraded.
"""

FLUSH = "tasks.flush.flush_closed_minutes"
HISTORY = "tasks.history.follow_topic"
FLUSH_QUEUE = "tally.flush"
MARK = "tasks.markers.mark_minute"
CALLBACK = "tasks.callbacks.call_endpoint"
CALLBACK_QUEUE = "tally.callbacks"
