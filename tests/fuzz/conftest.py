import os

from hypothesis import settings

# Few in `make test`; as many as `make fuzz EXAMPLES=…` says otherwise. What failed once is tried first ever after.
settings.register_profile("entrances", deadline=None, max_examples=int(os.environ.get("EXAMPLES") or 100))
settings.load_profile("entrances")
