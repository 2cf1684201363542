"""What the book measures.

Disagreement, uncertainty, agreement, information and scores, with one engine for every interval.
"""
