"""What would show without the effect.

Placebos, data of known truth, coverage of the intervals, and every other path of analysis.
"""
