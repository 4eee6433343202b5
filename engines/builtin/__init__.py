"""The built-in model: a small text-to-image diffusion model that the project trains itself."""
