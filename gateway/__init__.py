"""The HTTP face: it turns requests into signals to videos, and holds no logic of its own."""
