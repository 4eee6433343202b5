"""`python -m infra.local`: one Kafka in the foreground, for developers."""

from __future__ import annotations

from infra.local.kafka import main

if __name__ == "__main__":
    main()
