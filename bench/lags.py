"""`python -m bench.lags`: seconds from each published minute's end to its record, as JSON."""

import json

import django

django.setup()

from tasks.output.published_log import PublishedLog  # noqa: E402  (needs Django's settings)

with PublishedLog() as log:
    records = [published.record for published in log.beyond(-1)]
print(json.dumps([record.published_at.timestamp() - record.minute.end for record in records]))
