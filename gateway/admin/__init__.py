"""The admin plane's JSON API: who may see and move routes. It is never on the data plane's port."""
