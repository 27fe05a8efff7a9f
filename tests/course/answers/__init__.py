"""Right and wrong answers to the exercises, one module per lesson."""
