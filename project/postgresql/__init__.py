"""Django's backend for PostgreSQL, within the limits of counter/time_limit.py."""
