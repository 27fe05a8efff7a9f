"""Show datasets: their classes, examples, splits and audit."""
