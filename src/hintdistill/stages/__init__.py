"""One thin click command a DVC stage: read params and inputs, call the library, write the outs."""
