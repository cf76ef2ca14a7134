"""From a voter's choice to a ballot on the record, and the record itself.

On the voting device:

- `device` encrypts ballots and keeps their chain; `journal` is what it must never
  forget, `line` sends it to the server, now or when there is a connection again, and
  `terminal` is all of it for one voter after the other; `device_standing` reads how far
  a device is;
- `receipts` are what voters take home, proofs that the log holds an artifact; `slips`
  prints them, `disputes` proves a broken one, `challenges` holds the nonces with which
  anybody can encrypt a challenged ballot again.

On the server:

- `admission` has ballots checked in processes of its own (`workers`), in turn for each
  device (`fair_queue`); `board` orders what is accepted (`arrivals`) in groups
  (`sequencer`) and publishes it, `store` keeps it on the disk, from which it is read
  again (`folding`); `uploading` takes a device's backlog in;
- `issuing` makes receipts, `publishing` and `web` give the record to the world (as many
  at once as `http_connections` says),
  `witnesses` asks for cosignatures (`witness_calls`), `high_water` keeps the log from
  forking.

`service` and `client` are the two ends of gRPC. No other module here knows it.
"""
