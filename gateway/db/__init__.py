"""PostgreSQL: flags, tokens, evidence, and how a change of a flag reaches this process. It knows no HTTP."""
