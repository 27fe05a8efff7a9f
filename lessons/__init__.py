"""The lessons: notebooks in English and Indonesian, built from `src/` by `make lessons`."""
