"""From a voter's choice to a ballot on the record, and the record itself.

On the voting device:

- `device` encrypts ballots and keeps their chain; `journal` is what it must never
  forget, `terminal` sends it to the server;
- `receipts` are what voters take home: signed receipts, and for a challenged ballot
  the nonces with which anybody can encrypt it again (`audit`).

On the server:

- `admission` checks ballots in processes of its own, `board` orders what is accepted
  and publishes it, `store` keeps it on the disk.

`service` and `client` are the two ends of gRPC. No other module here knows it.
"""
