//! Compiles one Application.
