"""The high-order mode: central differences of orders 4 to 10, which keep mass, and signs only to their own accuracy."""
