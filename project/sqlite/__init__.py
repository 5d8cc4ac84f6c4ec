"""Django's backend for SQLite, within the limits of counter/time_limit.py."""
