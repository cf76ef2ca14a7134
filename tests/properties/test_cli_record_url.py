"""Records below a URL: the report of the directory, and no verdict where files cannot be had."""

from __future__ import annotations

import io
import socket
import threading
from pathlib import Path

import pytest

from cli.record_url import open_record
from cli.verify import extension
from tests.observing import serving
from tests.publishing import publish
from tests.tampered.kit import TOY_NAME, Record, crowded
from verifier import verify
from verifier.archive import FileDamaged, FileMissing, NotARecord
from verifier.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A record of two artifact files."""
    record = Record(crowded())
    path = tmp_path / "record"
    path.mkdir()
    publish(record.world, path, record.encoded())
    return path


@pytest.mark.parametrize(("ranges", "compress"), [(True, False), (False, False), (True, True)])
def test_the_same_report(folder: Path, ranges: bool, compress: bool) -> None:
    """From any kind of web server."""
    alone = verify(folder, parameters=TOY_NAME)
    assert alone.verdict == "verified"
    with serving(folder, ranges=ranges, compress=compress) as server:
        assert verify(server.url, parameters=TOY_NAME, opener=open_record) == alone


def test_the_program_and_its_processes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`sailau verify URL`: the workers of --jobs read it there, too."""
    alone = verify(folder, parameters=TOY_NAME).to_json()
    with serving(folder) as server:
        arguments = [server.url, "--parameters", TOY_NAME, "--json", "--jobs", "2"]
        assert main(arguments, extension=extension()) == 0
        assert server.asked["artifacts/001"] > 2
    assert capsys.readouterr().out.strip() == alone


def test_a_file_that_is_not_published(folder: Path) -> None:
    """Is the same failure as in a directory."""
    (folder / "artifacts/001").unlink()
    alone = verify(folder, parameters=TOY_NAME)
    assert "R.entry" in alone.failed_ids()
    with serving(folder) as server:
        assert verify(server.url, parameters=TOY_NAME, opener=open_record) == alone


def test_a_file_that_cannot_be_had(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refutes nothing: exit code 2, and the file is named."""
    with serving(folder) as server:
        server.status["artifacts/001"] = 403
        assert main([server.url, "--parameters", TOY_NAME], extension=extension()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "artifacts/001: the server answers 403" in said.err


def test_an_answer_that_breaks_off(folder: Path) -> None:
    """Is not a short file."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    with listener:
        archive = open_record(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with archive.open("checkpoint") as stream, pytest.raises(NotARecord, match="breaks off"):
            stream.read(100)
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_what_is_no_record(tmp_path: Path) -> None:
    """A server without the files, an address without a server, and no address."""
    with (
        serving(tmp_path) as server,
        pytest.raises(NotARecord, match="holds no record: no file 'checkpoint'"),
    ):
        open_record(server.url)
    with pytest.raises(NotARecord, match="is not the URL"):
        open_record("http://127.0.0.1/record?version=2")
    with pytest.raises(NotARecord, match="neither a directory nor a file"):
        open_record("ftp://127.0.0.1/record")


@pytest.mark.parametrize("ranges", [True, False])
def test_reading_from_another_place_on(tmp_path: Path, ranges: bool) -> None:
    """Forwards, backwards, and beyond the end."""
    data = bytes(range(256)) * 1000
    (tmp_path / "checkpoint").write_bytes(data)
    with serving(tmp_path, ranges=ranges) as server:
        archive = open_record(server.url)
        with archive.open("checkpoint") as stream:
            assert stream.read(3) == data[:3]
            stream.seek(200_000)
            assert stream.read(10) == data[200_000:200_010]
            stream.seek(5)
            assert stream.read(1 << 20) == data[5:]
            assert stream.read(1) == b""
            if ranges:
                with pytest.raises(FileDamaged):
                    stream.seek(len(data) + 1)
            with pytest.raises(OSError, match="length"):
                stream._raw.seek(0, io.SEEK_END)
        with pytest.raises(FileMissing):
            archive.open("artifacts/000")
        archive.close()
