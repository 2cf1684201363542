"""How it looks.

Colours and shapes, figures, clip cards and the quadrant explorer.
"""
