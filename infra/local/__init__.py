"""A real Kafka on a laptop: no Docker, no JDK, no root."""
