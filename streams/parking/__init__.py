"""Jobs above their tenant's rate: parked, and let in at their turn."""
