//! Objects in, views out: compiles Applications; pure
