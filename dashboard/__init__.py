"""Show run folders as web pages, and let a user ask a run's `Predictor`. The dashboard never trains."""
