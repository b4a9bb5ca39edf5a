"""What can compute references: one file a kind of server, behind one seam (``server.Server``).

Knows nothing of goldens on disk. What a server needs is imported when it is opened.
"""
