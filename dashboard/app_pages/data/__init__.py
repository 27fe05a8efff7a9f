"""Hold the page that shows datasets: its tables, its parts, the pictures of a sound, and the audit."""
