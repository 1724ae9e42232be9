//! The numbers of design.md, measured
