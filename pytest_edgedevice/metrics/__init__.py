"""Pure functions on arrays: closeness of outputs, statistics of latency.

Knows numpy and the standard library, and nothing else of ours.
"""
