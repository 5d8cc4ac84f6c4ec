"""What drf-spectacular can't be told beforehand."""

from typing import Any

from counter.accepting import accept_call
from counter.accepting.batches import batch_call
from counter.api.schema.accepting import ACCEPT_OPERATIONS


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Its hook, which it calls when all else is there."""
    result["paths"][batch_call.PATH]["post"]["requestBody"]["required"] = True
    for method, name in ACCEPT_OPERATIONS.items():
        operation = result["paths"][accept_call.PATH][method]
        operation["operationId"] = name
        [called] = operation["callbacks"].values()
        operation["callbacks"] = {f"{name}_counted": called}
    for path in result["paths"].values():
        for operation in path.values():
            operation.setdefault("security", [])  # for everybody
            for callback in operation.get("callbacks", {}).values():
                for called in (each for at in callback.values() for each in at.values()):
                    called.setdefault("security", [])
    return result
