"""The events, topic names and codec that every part of Darkroom shares. Imports nothing else of ours."""
