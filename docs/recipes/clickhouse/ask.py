"""Shows what a query finds: `python ask.py FOLDER QUERY.sql`."""

import sys
from pathlib import Path

from chdb import session

_, folder, query = sys.argv
print(session.Session(folder).query(Path(query).read_text(), "PrettyCompact"))
