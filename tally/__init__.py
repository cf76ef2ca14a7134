"""The tally: combination of partial decryptions, counts and results."""
