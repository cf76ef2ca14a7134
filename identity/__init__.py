"""Who somebody is, and where the keys that prove it are kept.

Every role of an election (administrator, server, trustee, device) has two keys
of its own and makes both on its own machine:

- a role key (Ed25519, `rolekeys`), pinned in the election artifact, which signs
  what the role states in the record;
- a TLS key (ECDSA P-256, `tlskeys`), certified by the small authority of the
  election (`authority`), which only tells the services who is calling.

Both lie in one encrypted file (`keystore`), opened by a passphrase
(`passphrase`); a backup is such a file, too (`sealed`). A role becomes known to
the administrator by an enrolment file and is told where to connect by an
invitation file (`enrolment`). Neither private key is ever in either.

This room knows files and certificates. It knows neither the record nor gRPC.
"""
