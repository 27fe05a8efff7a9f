"""Kill commands at random moments, fill the disk, and read runs while they are trained."""
