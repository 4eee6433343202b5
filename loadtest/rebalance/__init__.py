"""Workers that join, leave and die while others run: what it costs the others."""
