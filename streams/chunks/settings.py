"""faust.App settings with which an app starts, commits, fails over and stops quickly."""

import os
import tempfile
from pathlib import Path
from typing import Any

#: Faust makes this folder at start, by default in the working directory. Nothing is kept in it: there are no tables.
_DATA_DIR = Path(tempfile.gettempdir()) / f"darkroom-faust-{os.getuid()}"
#: A loop that is blocked for so long gives its partitions to the next worker (the heartbeat has a thread of its own and goes on).
_MAX_POLL_INTERVAL_S = 120.0


def quick_settings(*, session_timeout: float = 6.0, commit_interval: float = 0.3) -> dict[str, Any]:
    """Keyword arguments for ``faust.App``; id and broker are yours to add.

    session_timeout: seconds until the group gives up a worker that was killed; the broker's group.min.session.timeout.ms bounds
    it from below. commit_interval: seconds between commits, so how much finished work is redone after a kill.
    """
    return {
        "broker_session_timeout": session_timeout,
        "broker_heartbeat_interval": session_timeout / 5,
        "broker_rebalance_timeout": session_timeout,
        "broker_max_poll_interval": _MAX_POLL_INTERVAL_S,  # Faust: 1000
        "broker_commit_interval": commit_interval,  # Faust: 2.8
        "stream_wait_empty": False,  # else a rebalance waits for every held chunk
        "stream_recovery_delay": 0.0,  # Faust: 3 s before the first event
        "consumer_auto_offset_reset": "earliest",  # what was sent before the first start counts too
        "topic_disable_leader": True,  # a topic of its own to elect a leader that no agent of ours asks for
        "web_enabled": False,
        "producer_threaded": False,
        "autodiscover": False,
        "datadir": _DATA_DIR,
        "key_serializer": "raw",
        "value_serializer": "raw",
        "store": "memory://",
    }
