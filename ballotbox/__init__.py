"""From a voter's choice to a ballot on the record, and the record itself.

On the voting device:

- `device` encrypts ballots and keeps their chain; `journal` is what it must never
  forget, `terminal` sends it to the server;
- `receipts` are what voters take home, proofs that the log holds an artifact; `slips`
  prints them, `disputes` proves a broken one, `challenges` holds the nonces with which
  anybody can encrypt a challenged ballot again.

On the server:

- `admission` checks ballots in processes of its own, `board` orders what is accepted
  in groups (`sequencer`) and publishes it, `store` keeps it on the disk;
- `issuing` makes receipts, `publishing` and `web` give the record to the world,
  `witnesses` asks for cosignatures, `high_water` keeps the log from forking.

`service` and `client` are the two ends of gRPC. No other module here knows it.
"""
