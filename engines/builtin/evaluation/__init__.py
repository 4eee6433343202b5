"""How pictures are looked at: what they show, against what was asked for. Knows no training."""
