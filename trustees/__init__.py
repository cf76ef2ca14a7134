"""The trustees: they make the election's keys together and open its tallies together.

A trustee never speaks to another one. It reads the record, posts signed statements to
it, and answers to nobody but its own checks:

    ceremony     the rounds of key generation (spec 3.2)
    nonces       the secret numbers of a decryption, each for one challenge only
    decryption   the rounds of decrypting (spec 3.6), with `parts`, `parallel`, `scratch`
    policy       what a trustee refuses, and why
    vault        what it keeps, and when that is erased
    reading      its own copy of the record, checked, proved and never rewritten
    machine      `Trustee`: from what it has read to what it has to say next; the parts of
                 it are `key_rounds` and `confirming`, `session_rounds` and `running`
    client       the program around the machine: follows the board, posts, attends
    coordinator  the server's side: what trustees say, who cheats, the next session, with
                 `attendance` (who is there) and `notices` (who is late)
    service      the coordinator over gRPC

All but `client`, `service`, `parallel` and the folder of `scratch` are free of input and
output, so that a whole ceremony runs in a test in memory. Types say who may see them: what
is called `...Secrets` or prints as `<redacted>` never leaves the trustee's machine, the
statements of `record.artifacts` are all public.
"""
