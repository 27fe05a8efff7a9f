"""Kill commands at random moments, fill their disk, and read a folder of runs while others write it."""
