"""The live board beside gRPC: published files, their HTTP, and the witnesses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from prometheus_client import Metric

from ballotbox.board import Board
from ballotbox.high_water import HighWater
from ballotbox.publishing import Publisher, check_directory
from ballotbox.store import StoredCheckpoint
from ballotbox.web import WebServer
from ballotbox.witnesses import Witnesses
from cli.common import note, say
from cli.serve_config import ServerConfig
from cli.serve_metrics import by_name, gauge

_ASK_SECONDS = 3.0
"""How long a start waits for what witnesses know."""
_JOIN_SECONDS = 30.0


class LiveBoard:
    """What the settings ask for; starts with `start`, ends with `stack`."""

    def __init__(
        self, stack: ExitStack, board: Board, config: ServerConfig, high_water: HighWater
    ) -> None:
        """Raises StoreDamaged if witnesses know more of the log than the database."""
        self._stack, self._board = stack, board
        self._publisher: Publisher | None = None
        self._web: WebServer | None = None
        self._witnesses: Witnesses | None = None
        if (directory := config.publish) is not None:
            check_directory(board, directory)
            self._publisher = Publisher(board, directory)
            board.subscribe(self._publisher.poke)
            if config.http:
                self._web = WebServer(directory, config.http)
                stack.callback(self._web.stop)
        if (policy := config.policy()) is not None:
            witnesses = Witnesses(board, policy, high_water, self._due, self._cosigned)
            witnesses.ask_once(_ASK_SECONDS)
            witnesses.check()
            for notice in witnesses.notices():
                note(notice)
            self._witnesses = witnesses

    def start(self) -> None:
        """Begin to publish, to serve files and to ask witnesses."""
        if self._publisher is not None:
            self._run(self._publisher.run, "publisher", self._publisher.poke)
        if self._witnesses is not None:
            source = self._publisher or self._board
            source.subscribe(self._witnesses.poke)
            self._run(self._witnesses.run, "witnesses", self._witnesses.poke)
        if self._web is not None:
            self._web.start()

    def announce(self) -> None:
        """Say where the files are served, if they are."""
        if self._web is not None:
            say(f"the published record: {self._web.url}/")

    def notices(self) -> Sequence[str]:
        """What is wrong with publishing, its HTTP or with witnesses, one sentence each."""
        found: list[str] = []
        if self._publisher is not None:
            found += self._publisher.notices()
        if self._web is not None:
            found += self._web.notices()
        if self._witnesses is not None:
            found += self._witnesses.notices()
        return found

    def metrics(self) -> Iterator[Metric]:
        """How publishing, its HTTP and each witness stand."""
        if self._publisher is not None:
            head, failing = self._publisher.head(), bool(self._publisher.notices())
            text = "Artifacts under the published checkpoint."
            yield gauge("sailau_published_size", text, head.size if head else 0)
            yield gauge("sailau_publishing_failing", "1 while it fails.", int(failing))
        if self._web is not None:
            failing = bool(self._web.notices())
            yield gauge("sailau_http_failing", "1 while the files are not served.", int(failing))
        if self._witnesses is not None:
            known = self._witnesses.standings()
            sizes = {one.name: float(one.size) for one in known}
            failing_ones = {one.name: float(bool(one.problem)) for one in known}
            text = "Artifacts under the checkpoint that it cosigned last."
            yield by_name("sailau_witness_size", text, "witness", sizes)
            text = "1 while it does not cosign."
            yield by_name("sailau_witness_failing", text, "witness", failing_ones)

    def _due(self) -> StoredCheckpoint:
        """The published checkpoint, so that it gains signatures; the newest if there is none."""
        published = None if self._publisher is None else self._publisher.head()
        return published or self._board.head()

    def _cosigned(self) -> None:
        if self._publisher is not None:
            self._publisher.poke()

    def _run(
        self, run: Callable[[threading.Event], None], name: str, wake: Callable[[], None]
    ) -> None:
        # Its own event: the last groups are published after the listeners have stopped.
        stop = threading.Event()
        thread = threading.Thread(target=run, args=(stop,), name=name)

        def end() -> None:
            stop.set()
            wake()
            thread.join(_JOIN_SECONDS)

        thread.start()
        self._stack.callback(end)
