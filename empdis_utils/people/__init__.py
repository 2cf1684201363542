"""Whom to ask about which clip.

The sample, the annotation page, the files of answers, and simulated annotators.
"""
