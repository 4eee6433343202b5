"""How the model is trained: a file for each stage, and what they share."""
