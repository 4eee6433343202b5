"""How fast a cancel takes effect."""
