"""Models that a user's own executable runs; the contract with it is COMMAND.md."""
