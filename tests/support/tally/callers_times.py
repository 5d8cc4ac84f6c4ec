"""`manage.py`, for the topics of tests, whose records bring their times along."""

import django

from tally import command

if __name__ == "__main__":
    django.setup()
    from tests.support.requests_topic import trust_callers_times

    trust_callers_times()
    command.main()
