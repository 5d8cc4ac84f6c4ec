"""`manage.py`, for the topics of tests, whose records bring their times along."""

import django

import manage

if __name__ == "__main__":
    django.setup()
    from tests.support.requests_topic import trust_callers_times

    trust_callers_times()
    manage.main()
