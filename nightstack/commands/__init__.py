"""One module a group of commands; each has ``register(app)`` and imports the rooms it needs only when it runs."""
