"""Features of audio and images: computation, augmentation, clips and the cache."""
