"""What `darkroom demo` shows: two dozen jobs of three tenants, and what becomes of each."""
