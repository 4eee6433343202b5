"""Object stores: adapters behind the ports of their users."""
