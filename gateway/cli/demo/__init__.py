"""The demo: PostgreSQL, the legacy app and the gateway on one machine, kept alive until somebody stops them."""
