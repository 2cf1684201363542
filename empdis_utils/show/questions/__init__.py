"""The figures and sentences of the question pages: one module for each page."""
