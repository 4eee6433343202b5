"""Programs that run inside a rival's own virtual environment: they import nothing of ours."""
