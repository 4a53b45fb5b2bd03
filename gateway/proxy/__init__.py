"""The client's side: a raw ASGI app that takes a request through its eight stops. It stores nothing but locals."""
