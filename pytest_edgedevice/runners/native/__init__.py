"""The native agent: built or found for a device, brought there with its inference library, and started."""
