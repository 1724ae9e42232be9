//! Path grammar, name normalisation, URL joining, Location; pure
