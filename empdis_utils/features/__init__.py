"""What people hear, see and read.

Voice, affect, facial action units and words of every clip, each measured the same way.
"""
