"""Show run folders as web pages, and predict files. The dashboard never trains.

Functions raise `InputError` for missing or damaged files; `layout.run_guarded` shows the message on the page.
"""
