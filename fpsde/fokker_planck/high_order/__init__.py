"""The high-order mode: central differences of order 4 and 6, which keep mass, and signs only to their own accuracy."""
