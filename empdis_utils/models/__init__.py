"""Encoders and fusion.

Six encoders, their frozen trunk and trainable end, and the network that reads all modalities.
"""
