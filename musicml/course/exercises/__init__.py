"""The exercises of the lessons, one module per lesson: `lesson_3.EXERCISES["3.2"]`."""
