"""Several machines on one: a Ray cluster whose nodes are lost and come back, on a network."""
