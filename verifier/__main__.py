"""Runs the verifier: `python -m verifier RECORD`."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


def _run() -> int:
    try:
        from verifier.cli import main
    except ImportError as error:
        needed = "gmpy2, protobuf and cryptography, and record_pb2.py"
        print(f"verifier: {error}\nThe verifier needs {needed}.", file=sys.stderr)
        return 2
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter of a name gets a question mark.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = main()
        sys.stdout.flush()
    except OSError as error:
        # Not a traceback's exit code, which would say that the record is refuted. What
        # could not be written is not tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        print(f"verifier: the report could not be written: {error}", file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(_run())
