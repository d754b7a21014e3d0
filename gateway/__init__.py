"""The HTTP face: it turns requests into signals to films, and holds no logic of its own."""
