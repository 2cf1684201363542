"""Corpora, splits, media and tables.

Read and checked on the way in; downloads, names, hashes, the disk cache, and work side by side.
"""
