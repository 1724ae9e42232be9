//! What all else stands on, in a mesh without Fairlead: the mesh itself, our definitions in its API server, and what the renderer
//! makes in its istiod.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod crds;
mod rendering;
mod smoke;
