"""What it takes that a file or a SQLite database is there after the power failed.

`files` replaces public files whole and synced, `sqlite` opens databases whose commits are on
the disk. Neither knows what it stores. Private files (modes, locks) are in `identity.files`.
"""
