"""How much one script may be given."""

MAX_IDS = 1000
"""Ids a script: a long script stalls every other caller, and Lua's `unpack` ends below 8,000."""
