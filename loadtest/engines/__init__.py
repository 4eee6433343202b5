"""How many pictures a second engines make of one model, and what sharing forward passes gains."""
