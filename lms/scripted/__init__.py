"""The embedded teacher: frames, phrases, and an engine that tells them."""
