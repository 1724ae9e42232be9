//! Custom resource types, schemas and Secret formats
