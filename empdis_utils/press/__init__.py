"""What makes the book, and no chapter needs.

The plan that Make follows, one chapter run by papermill, pages, reference, course and slides.
"""
