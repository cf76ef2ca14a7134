"""The tally: from cast ballots to results.

    tabulator   the server's engine: aggregates, combines, counts, opens challenged ballots
    combining   a session's ciphertexts, from what its trustees put on the record
    challenged  the challenged ballots in their order, and what stops them
    opening     a challenged ballot's nonces, from the trustees' shares of them
    results     counts as tables, and compared with what was expected

Nothing here is trusted: what the tabulator publishes carries the trustees' joint proofs,
or the nonces that reproduce a ballot, and anybody can check it against the record.
"""
