"""The link to Linux boards by the system's OpenSSH client; ``transport`` is the way in."""
