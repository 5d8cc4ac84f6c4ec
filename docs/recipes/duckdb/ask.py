"""Shows what a query finds: `python ask.py FILE QUERY.sql`."""

import sys
from pathlib import Path

import duckdb

_, file, query = sys.argv
duckdb.connect(file, read_only=True).sql(Path(query).read_text()).show(max_rows=1000)
