"""Are two answers equal? Comparison, allowed differences and verdicts. Pure; used live and in CI alike."""
