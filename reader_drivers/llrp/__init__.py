"""LLRP: Impinj and other UHF readers over TCP."""
