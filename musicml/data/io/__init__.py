"""Read audio and image files."""
