"""The ids of the default counter: signed 64-bit integers."""

MIN_ID, MAX_ID = -(2**63), 2**63 - 1
