"""Watching a server that goes away; passphrases and places that are refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.backups import backup_file, check_place
from cli.common import passphrase
from cli.drilling import check_drill
from cli.election_count import _check_out
from cli.election_watch import _Patient
from crypto.errors import Malformed, Rejected
from identity.errors import PassphraseError
from rpc.errors import Unavailable


class Server:
    """Says what it is told to say, or is away."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def now(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_what_was_seen_last_stays() -> None:
    """It is said since when, until the server answers again."""
    away = Unavailable("nobody answers at a:1")
    seen = _Patient(cast(Any, Server("one", away, away, "two")))
    assert cast(Any, seen.now()) == "one"
    assert seen.lost() == ()
    for _ in range(2):
        assert cast(Any, seen.now()) == "one"
        assert seen.why().startswith("Server not reached since ")
        assert "this is how it was then (nobody answers at a:1)" in seen.why()
        assert len(seen.lost()) == 1
    assert cast(Any, seen.now()) == "two"
    assert seen.lost() == ()


def test_nothing_was_seen() -> None:
    """Before the first answer there is nothing to go on showing."""
    with pytest.raises(Unavailable):
        _Patient(cast(Any, Server(Unavailable("away")))).now()


@pytest.mark.parametrize(("words", "good"), [("eleven char", False), ("twelve chars", True)])
def test_new_passphrases(tmp_path: Path, words: str, good: bool) -> None:
    """A short one makes no key store, and opens one that there is."""
    file = tmp_path / "passphrase"
    file.touch(mode=0o600)
    file.write_text(words)
    assert passphrase(file, "somebody") == words.encode()
    if good:
        assert passphrase(file, "somebody", new=True) == words.encode()
        return
    with pytest.raises(PassphraseError, match="less than 12 characters") as caught:
        passphrase(file, "somebody", new=True)
    assert words not in str(caught.value)


def test_where_no_backup_goes(tmp_path: Path) -> None:
    """In a directory to a file of the trustee's number, and not into what it is to outlive."""
    home = tmp_path / "trustee"
    home.mkdir()
    check_place(tmp_path / "b", home)
    assert backup_file(tmp_path / "b", 7) == tmp_path / "b"
    assert backup_file(tmp_path, 7) == tmp_path / "trustee-7.backup"
    for place in (home / "b", backup_file(home, 7)):
        with pytest.raises(Malformed, match="own directory"):
            check_place(place, home)


def test_where_no_record_goes(tmp_path: Path) -> None:
    """A record is written into nothing, or over a record."""
    _check_out(tmp_path / "new")
    _check_out(tmp_path)
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(Malformed, match="is no record"):
        _check_out(tmp_path)
    (tmp_path / "checkpoint").touch()
    _check_out(tmp_path)


def test_who_did_not_answer() -> None:
    """They are named, and the command that waits for them."""
    state = SimpleNamespace(
        drill=SimpleNamespace(answered=lambda: (1, 2)),
        accused={},
        eligible=lambda: (1, 2, 3),
        context=SimpleNamespace(trustee_key=lambda i: SimpleNamespace(name=f"T{i}")),
    )
    check_drill(cast(Any, state), 2)
    with pytest.raises(Rejected, match="3 have to; missing: trustee 3, T3") as caught:
        check_drill(cast(Any, state), 3)
    assert "drill --trustee 1 --trustee 2 --trustee 3`" in str(caught.value)
