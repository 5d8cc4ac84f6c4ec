"""Beat's ticks: one at the end of each minute."""

EARLY_SECONDS = 5
"""A tick this much before the minute's end was meant for it: the clocks of beat and Redis differ a little."""
