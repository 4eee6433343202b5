"""A system to load: the model that costs nothing, settings, and the processes."""
