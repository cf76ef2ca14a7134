"""The public record: everything an election publishes, as typed and frozen values.

An election is a log of artifacts. `manifest` is the file it is about, `artifacts`
the statements in it, `transcript` the rules of what may follow what; `merkle`,
`checkpoint`, `tiles` and `archive` are the log as it is published. `parse_*` is
the only road from bytes to a value, and what it returns needs no second check;
`verify_*` returns nothing or raises. docs/record.md is the contract.

No network here, and no secrets but the key that signs a checkpoint.
"""
