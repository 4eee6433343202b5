"""Every test of Darkroom."""
