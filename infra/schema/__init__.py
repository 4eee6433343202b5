"""The schema of the Cassandra job store: numbered files of CQL, applied by `darkroom schema migrate`."""

from infra.schema.migrate import SchemaBusy, SchemaMissing, State, check, migrate, status

__all__ = ["SchemaBusy", "SchemaMissing", "State", "check", "migrate", "status"]
