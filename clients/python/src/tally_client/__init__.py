"""A client of Tally's that counts ids, many at a time, and each just as often as it was counted."""

from tally_client.async_client import AsyncClient
from tally_client.batch import Closed, Full, Id, Totals
from tally_client.client import Client

__all__ = ["AsyncClient", "Client", "Closed", "Full", "Id", "Totals"]
