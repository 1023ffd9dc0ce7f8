"""The on-robot agent: it drives along the faces, reads, keeps what it heard in a spool, and sends it on."""
