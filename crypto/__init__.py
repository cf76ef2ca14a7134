"""The mathematics of the ElectionGuard design specification 2.1.0.

Numbers are encrypted so that anybody can add them and only a quorum of trustees
can open the sum. Every value that stands in public has a proof beside it, and
anybody can check the proof. Nothing here knows what an election is: there are
groups, keys, ciphertexts, proofs and shares, named by the specification's terms,
with its symbols as locals and its equations in the docstrings, to be read side
by side.

    parameters        3.1.1, appendix   p, q, g
    group             3.1, 5.1          elements, scalars, powers, encodings
    hashing           5, 3.1.2-3.2.3    H, its domains; H_P, H_B, H_G, H_E
    elgamal           3.3.1, 3.5        encryption, products
    schnorr           3.2.2             knowledge of secret keys
    secret_sharing    3.2.2, 3.6.4      polynomials, shares, Lagrange coefficients
    sealing           3.2.2, 3.3.4      shares and ballot nonces, encrypted
    range_proof       3.3.7, 3.3.8      "encrypts one of 0 .. R"
    decryption_proof  3.6               partial decryptions and their joint proof
    discrete_log      3.6.2             from K^t to t
    commitments       3.3.7, 3.3.4      what a verifier recomputes, or is told
    squarings                           several powers of one element
    multi_power                         products of many powers
    batch                               many proofs as one product
    errors

A value and its proof, from end to end:

    group = group_for(STANDARD)
    key = PublicKey(group, element)
    nonce = group.random_scalar()
    ciphertext = encrypt(key, 1, nonce)
    proof = range_proof.prove(key, ciphertext, nonce, 1, 1, hi, context)
    range_proof.verify(key, ciphertext, proof, 1, hi, context)

What is promised:

- `parse_*` returns a checked value or raises `Malformed`; `verify_*` and
  `check_*` return None or raise `InvalidProof`. No function returns a verdict as
  a bool. A wrong argument of our own is a `ValueError`.
- `verify_*` checks what its name and docstring say, membership in the order-q
  subgroup included, with one exception that says so (`range_proof.verify`).
- `claim*` proves nothing: it leaves what is costly to `batch.verify`, which errs in
  favour of a false claim with a probability of at most 2^-128, and never against a
  true one.
- Randomness comes from `secrets`. Secret exponents go through `powmod_sec` or a
  fixed-base table. That is a defence against the clumsier measurements of time,
  not against somebody who shares the processor with a trustee.
- Groups and public keys are immutable, can be shared by threads, and are pickled
  as their numbers: another process builds its own tables.
- No input, no output, no logging, no global settings.
"""
