"""Feed the decoders garbage that looks like the venue's: no crash, and no order comes of it."""
