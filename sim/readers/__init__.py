"""Readers as the outside world sees them: emulators that speak a reader's own bytes on a socket."""
