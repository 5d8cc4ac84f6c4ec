"""The version of Tally, the only place that says it."""

VERSION = "1.0.0"
