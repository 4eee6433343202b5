"""The closed vocabulary of metrics: every name, its unit and its labels. Labels never hold ids, tenants or prompts."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
RATIOS = (0.25, 0.5, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.25, 2, 4)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """All metrics of a process; those that a process has no use for stay at zero."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"darkroom_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"darkroom_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"darkroom_{name}", text, labels, registry=registry, buckets=buckets)

        self.admitted = counter("admitted_total", "Jobs admitted.", "tier")
        self.rejected = counter("rejected_total", "Events rejected, by error code.", "code")
        self.repeated = counter("repeated_total", "Events with an id already claimed.", "answer")
        self.deferred = counter("deferred_total", "Jobs above a rate, put off until their turn comes.", "pool", "tier")
        self.released = counter("released_total", "Jobs let in that had been parked.", "pool", "tier")
        self.parked = gauge("parked_jobs", "Jobs parked, in the lines that this process reads.", "pool")
        self.waiting_jobs = gauge("waiting_jobs", "Jobs in the scheduler's window.", "pool", "tier")
        self.waiting_gpu = gauge("waiting_gpu_seconds", "Predicted GPU-seconds in the scheduler's window.", "pool", "tier")
        self.overflow = gauge("overflow_jobs", "Jobs that the scheduler's window had no room for.", "pool")
        self.workers = gauge("workers", "Live workers that the scheduler sees.", "pool")
        self.batches = counter("batches_total", "Batches dispatched.", "pool")
        self.batch_size = histogram("batch_size", "Jobs in a dispatched batch.", SIZES, "pool")
        self.predicted = counter("predicted_runs_total", "Measured runs, by whether the predicted interval held.", "held")
        self.predicted_ratio = histogram("predicted_run_ratio", "Seconds measured over seconds predicted.", RATIOS)
        self.eta = counter("eta_total", "Jobs run, by whether they ended when told (held: yes, no). A sample.", "pool", "held")
        self.dispatch_wait = histogram("dispatch_wait_seconds", "From submission to dispatch.", SECONDS, "tier")
        self.runs = counter("runs_total", "Jobs run by an engine.", "engine", "state")
        self.run_time = histogram("run_seconds", "Time of a job in its engine.", SECONDS, "engine")
        self.gpu_time = counter("gpu_seconds_total", "Device time used.", "engine")
        self.upload_time = histogram("upload_seconds", "Time to store one job's outputs.", SECONDS)
        self.object_time = histogram("object_seconds", "Time of one request to the object store.", SECONDS, "verb")
        self.object_calls = gauge("object_calls", "Requests to the object store under way, of at most 50 in a process.")
        self.second_store = counter("second_store_total", "Objects that went to the second store: the first was away.")
        self.spool_bytes = gauge("spool_bytes", "Outputs on this worker's disk that wait for the object store.")
        self.spool_age = gauge("spool_oldest_seconds", "How long the oldest of them has waited.")
        self.spool_full = gauge("spool_full", "1: no room for more, so no batch is taken.")
        self.engine_restarts = counter("engine_restarts_total", "Engine processes started again after a failure.")
        self.engine_recycled = counter("engine_recycled_total", "Engine processes replaced because they had grown too large.")
        self.settled = counter("settled_total", "Terminal states told.", "state")
        self.retried = counter("retried_total", "Runs queued again.", "code")
        self.late = counter("late_outcomes_total", "Outcomes dropped because the job was already terminal.")
        self.cache = counter("cache_total", "Jobs looked for in the cache (answer: hit, miss).", "answer")
        self.stage_time = histogram("stage_seconds", "Time of one chunk in a stage.", SECONDS, "stage")
