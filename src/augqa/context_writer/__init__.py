"""Writers of contexts behind one face: seed questions in, contexts out."""
