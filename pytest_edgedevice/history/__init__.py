"""What was measured before: baselines of latency, the records of past runs, and what a new run shows against them.

Knows values and records; nothing of devices or pytest.
"""
