"""Show run folders as web pages, and let a user ask a run's `Predictor`. The dashboard never trains.

A function that reads what is missing or damaged raises `InputError`; `layout.run_guarded` shows it on the page.
"""
