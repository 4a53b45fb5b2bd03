"""Every setting of the gateway: `model` names them, `reading` reads them, `values` says what each may be.

`addresses`, `headers` and `file` know nothing of pydantic: what only needs them starts without it.
"""
