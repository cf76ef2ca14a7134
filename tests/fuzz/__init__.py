"""Random mutations of published records, to be run by hand: `make fuzz`."""
