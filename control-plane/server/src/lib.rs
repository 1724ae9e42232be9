//! The control plane: stores, feed, grants, status and the command line
