"""What the paper says.

Its printed numbers and what they imply, its sentences as numbers, and the ledger of its claims.
"""
