"""The sections of a report: each function turns the data of runs into blocks."""
