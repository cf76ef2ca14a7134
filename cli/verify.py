"""`sailau verify`: the standalone verifier under the program's name, with more means.

The verifier itself knows files and processes of one machine. Here it also gets records over
HTTP (`record_url`) and the workers of a cluster (`verify_cluster`).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from verifier.cli import Extension, Means

_OF_CLUSTERS = (
    *("records_at", "cluster_ca", "cluster_cert", "cluster_key"),
    "insecure_cluster",
)

_MORE = """\
RECORD may also be the URL below which a record is published.

on several machines (docs/cluster.md):
  sailau verify record/ --cluster tls://scheduler:8786 --cluster-ca ca.pem \\
      --cluster-cert me.pem --cluster-key me.key
  sailau verify https://example.org/election --cluster tls://scheduler:8786 ...
  sailau verify copy/ --cluster tcp://127.0.0.1:8786 --records-at /shared/copy

"""


class _Extension:
    """Options for what only the program can do."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.epilog = _MORE + (parser.epilog or "")
        group = parser.add_argument_group(
            "on a cluster",
            "Ballots are checked by Dask workers in place of --jobs processes; everything else is "
            "done here. Whoever runs a worker can forge the verdict: use your own.",
        )
        add = group.add_argument
        add("--cluster", metavar="ADDRESS", help="the scheduler: tls://HOST:PORT or tcp://...")
        add(
            "--records-at",
            metavar="PLACE",
            help="where workers find the same files: a path or a URL (default: RECORD)",
        )
        files = (
            ("--cluster-ca", "the authority that signs for the cluster and nobody else (PEM)"),
            ("--cluster-cert", "a certificate of it for this client (PEM)"),
            ("--cluster-key", "the private key of the certificate (PEM)"),
        )
        for name, text in files:
            add(name, type=Path, metavar="FILE", help=text)
        add(
            "--insecure-cluster",
            action="store_true",
            help="allow tcp:// to another machine: without secrecy, and anybody may interfere",
        )

    @contextmanager
    def means(
        self, parser: argparse.ArgumentParser, arguments: argparse.Namespace
    ) -> Iterator[Means]:
        from cli.record_url import is_url, open_record
        from verifier.archive import open_archive
        from verifier.cli import Means

        opener = open_record if is_url(arguments.record) else open_archive
        if arguments.cluster is None:
            if any(getattr(arguments, name) for name in _OF_CLUSTERS):
                parser.error("--records-at, --cluster-... and --insecure-cluster need --cluster")
            yield Means(opener)
            return
        from cli.verify_cluster import Cluster, Credentials, address_problem

        files = [arguments.cluster_ca, arguments.cluster_cert, arguments.cluster_key]
        credentials = Credentials(*files) if all(files) else None
        if credentials is None and any(files):
            parser.error("--cluster-ca, --cluster-cert and --cluster-key go together")
        problem = address_problem(arguments.cluster, credentials, arguments.insecure_cluster)
        if problem:
            parser.error(f"--cluster: {problem}")
        where = arguments.records_at
        if where is not None and not is_url(where):
            where = os.path.abspath(where)
        with Cluster.connect(arguments.cluster, credentials, where) as cluster:
            yield Means(opener, cluster, cluster.workers())


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def verify(arguments: tuple[str, ...]) -> None:
    """Check a published record; `python -m verifier`, and on several machines."""
    from verifier import main

    raise SystemExit(main(list(arguments), program="sailau verify", extension=extension()))


def extension() -> Extension:
    """What `sailau verify` has over `python -m verifier`."""
    return _Extension()
