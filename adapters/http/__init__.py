"""HTTP: the edge of the mesh on Litestar, served by granian in the event loop of the process."""
