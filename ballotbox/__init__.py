"""The ballot box: devices, admission and the board."""
