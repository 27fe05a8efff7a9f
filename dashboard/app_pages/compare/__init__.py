"""Hold the page that compares runs: what several runs share, and how it is shown."""
