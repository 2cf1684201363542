"""Helpers of the book, in rooms that stand on floors: each imports only from below.

`places` · `data` · `models` · `features` · `measures` · `people` · `paper` · `controls` · `show` ·
`press`. Chapters import down to `show`; `press` makes the book and no chapter needs it.
"""
