"""Calling again while the server cannot be reached."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TypeVar

import grpc

from crypto.errors import SailauError
from rpc.errors import Busy, Unavailable, explain

T = TypeVar("T")
FIRST = 0.2
CAP = 5.0


def _jitter() -> float:
    """0.5 to 1: so that many clients of a restarted server do not come back as one."""
    return 0.5 + secrets.randbelow(1000) / 2000


def retrying(
    call: Callable[[float], T],
    *,
    deadline: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    jitter: Callable[[], float] = _jitter,
    again: tuple[type[SailauError], ...] = (Unavailable,),
) -> T:
    """Run `call` until it is answered, for at most `deadline` seconds.

    `call` is given the seconds that are left, for its timeout. Only a call that ends
    with an error of `again` is made again, without more that is one without an answer
    (UNAVAILABLE, or its own timeout): after 0.2 s, 0.4 s, ... up to 5 s, each shortened
    at random, and not if the pause would end after the deadline. A busy server that says
    when to come again (`Busy.retry_after`) is not asked before. The answer may have been
    lost on its way back, so `call` must be one that may be made twice.

    Raises the error that the server answered with, as one of ours (`explain`);
    Unavailable if it never did.
    """
    end = clock() + deadline
    pause = FIRST
    while True:
        try:
            return call(max(end - clock(), 0.001))
        except grpc.RpcError as error:
            known = explain(error)
            wait = pause * jitter()
            if isinstance(known, Busy):
                wait = max(wait, known.retry_after * (1.5 - jitter() / 2))
            if not isinstance(known, again) or clock() + wait >= end:
                raise known from error
        sleep(wait)
        pause = min(2 * pause, CAP)
