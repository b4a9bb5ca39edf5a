"""The promises of the protocol, a file a group."""
