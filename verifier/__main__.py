"""Runs the verifier: `python -m verifier RECORD`."""

from __future__ import annotations

import sys


def _run() -> int:
    try:
        from verifier.cli import main
    except ImportError as error:
        needed = "gmpy2, protobuf and cryptography, and record_pb2.py"
        print(f"verifier: {error}\nThe verifier needs {needed}.", file=sys.stderr)
        return 2
    return main()


if __name__ == "__main__":
    sys.exit(_run())
