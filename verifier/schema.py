"""The generated protobuf classes, wherever they are.

Inside the project they are `sailau.v1.record_pb2`. In a folder into which somebody
copied `verifier/` and `record_pb2.py`, the file lies beside this package or in it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sailau.v1 import record_pb2 as pb
else:

    def _load() -> Any:
        for name in ("sailau.v1.record_pb2", "record_pb2", "verifier.record_pb2"):
            try:
                return importlib.import_module(name)
            except ModuleNotFoundError as missing:
                # A missing parent or module means "look elsewhere"; protobuf itself
                # missing does not.
                if missing.name is None or not name.startswith(missing.name):
                    raise
        raise ModuleNotFoundError(
            "record_pb2.py is not here: put it beside the folder verifier/ or into it",
            name="record_pb2",
        )

    pb = _load()

__all__ = ["NUMBERS", "pb"]

NUMBERS: dict[str, int] = {
    field.name: field.number for field in pb.Artifact.DESCRIPTOR.oneofs_by_name["statement"].fields
}
"""Field number of each kind of statement: what `Entry.kind` holds."""
