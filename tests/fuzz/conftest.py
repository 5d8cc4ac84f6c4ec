import os

from hypothesis import settings

# Few in `make test`, and as many as `make fuzz EXAMPLES=…` says. What failed once is tried first afterwards.
settings.register_profile("entrances", deadline=None, max_examples=int(os.environ.get("EXAMPLES") or 100))
settings.load_profile("entrances")
