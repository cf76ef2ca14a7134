"""The trustees: they make the election's keys together and open its tallies together.

A trustee never speaks to another one. It reads the record, posts signed statements to
it, and answers to nobody but its own checks:

    ceremony     three rounds of key generation (spec 3.2)
    nonces       the secret numbers of a decryption, each for one challenge only
    decryption   three rounds of decrypting the tallies (spec 3.6)
    policy       what a trustee refuses, and why
    vault        what it keeps, and when that is erased
    reading      its own copy of the record, checked, proved and never rewritten
    machine      `Trustee`: from what it has read to what it has to say next
    client       the program around the machine: follows the board, posts, attends
    coordinator  the server's side: who is there, who is late, the next session
    service      the coordinator over gRPC

All but `client` and `service` are free of input and output, so that a whole ceremony
runs in a test in memory. Types say who may see them: what is called `...Secrets` or
prints as `<redacted>` never leaves the trustee's machine, the statements of
`record.artifacts` are all public.
"""
