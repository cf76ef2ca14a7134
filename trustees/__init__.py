"""The trustees: key ceremony and decryption."""
