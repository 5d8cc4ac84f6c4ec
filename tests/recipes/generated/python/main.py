"""Makes one batch call with the client that was generated."""

import sys

from tally_client import Client
from tally_client.api.accepting import accept_batch
from tally_client.models import AcceptBatchJsonBodyType0, ReceiptBody

body = AcceptBatchJsonBodyType0(ids=[9007199254740993, 43, 43])
receipt = accept_batch.sync(client=Client(base_url=sys.argv[1]), body=body)
assert isinstance(receipt, ReceiptBody)
assert receipt.accepted == 3
