"""How the server logs: one form, no messages of exceptions, no time finer than needed."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ballotbox.errors import StoreFailed
from cli.serve_logs import CONSOLE, JSON, configure_logs

NOW = 1_780_000_030.7


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    root, hook = logging.getLogger(), threading.excepthook
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], threading.excepthook = handlers, hook
    root.setLevel(level)
    logging.captureWarnings(False)
    for name in ("ballotbox", "cli", "identity", "observers", "record", "rpc", "tally", "trustees"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def configured(**options: Any) -> io.StringIO:
    stream = io.StringIO()
    configure_logs(**{"verbose": False, "stream": stream, "clock": lambda: NOW, **options})
    return stream


def test_json_where_nobody_reads() -> None:
    """One object a line; what only --verbose tells is left out."""
    stream = configured()
    logging.getLogger("ballotbox.publishing").warning("the record in %s", "here")
    logging.getLogger("rpc.interceptor").info("call", extra={"method": "/a/B", "status": "OK"})
    assert entries(stream) == [
        {
            "timestamp": "2026-05-28T20:27:10Z",
            "event": "the record in here",
            "level": "warning",
            "logger": "ballotbox.publishing",
        }
    ]


def test_verbose_has_calls_and_whole_minutes() -> None:
    """Of calls the method, the role and the status; seconds would be too fine beside them."""
    stream = configured(verbose=True)
    extra = {"method": "/a/B", "role": "device", "status": "OK", "peer": "ipv4:10.0.0.7:5000"}
    logging.getLogger("rpc.interceptor").info("call", extra=extra)
    logging.getLogger("ballotbox.witnesses").warning("slow")
    call, other = entries(stream)
    assert {call["timestamp"], other["timestamp"]} == {"2026-05-28T20:27:00Z"}
    assert (call["method"], call["role"], call["status"]) == ("/a/B", "device", "OK")
    assert "10.0.0.7" not in stream.getvalue()


@pytest.mark.parametrize("logger", ["uvicorn.error", "uvicorn.access", "sqlalchemy.engine"])
def test_others_only_warn(logger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they tell besides has addresses, and statements, in it."""
    # A web server that was started in this process has cut its access log off.
    monkeypatch.setattr(logging.getLogger(logger), "propagate", True)
    stream = configured(verbose=True)
    logging.getLogger(logger).info("10.0.0.7 - INSERT")
    assert not stream.getvalue()
    logging.getLogger(logger).warning("something")
    assert [entry["logger"] for entry in entries(stream)] == [logger]


def test_exceptions_without_their_messages() -> None:
    """They may quote what the code was working on; ours do not."""
    stream = configured()
    for error in (ValueError("a secret"), StoreFailed("the disk is full")):
        try:
            raise error
        except Exception:
            logging.getLogger("tally").exception("it failed")
    first, second = entries(stream)
    assert (first["error"], second["error"]) == ("ValueError", "StoreFailed: the disk is full")
    assert first["frames"][-1].startswith("test_cli_serve_logs.py:")
    assert "a secret" not in stream.getvalue()


def test_a_thread_that_dies_is_told() -> None:
    """In the same form, and without its message."""
    stream = configured()
    nothing: dict[str, int] = {}
    thread = threading.Thread(target=lambda: nothing["a secret"], name="tally")
    thread.start()
    thread.join()
    (entry,) = entries(stream)
    assert (entry["in_thread"], entry["error"], entry["level"]) == ("tally", "KeyError", "error")
    assert "a secret" not in stream.getvalue()


def test_lines_for_people() -> None:
    """On a terminal, or where they are asked for."""
    stream = configured(form=CONSOLE)
    logging.getLogger("cli.serve").warning("this server leads again")
    assert "this server leads again" in stream.getvalue()
    assert "{" not in stream.getvalue()

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for form, is_json in ((None, False), (JSON, True)):
        terminal = Terminal()
        configure_logs(verbose=False, form=form, stream=terminal)
        logging.getLogger("cli.serve").warning("here")
        assert terminal.getvalue().startswith("{") is is_json
