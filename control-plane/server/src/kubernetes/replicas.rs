//! Which replicas live, and which module each serves: a Lease per replica beside the one of the leader.
//!
//! A replica writes its own Lease every `renew`, with what it serves in an annotation; it lives while the Lease changes
//! within `duration` on the observer's clock. The leader removes Leases of replicas that have been gone for long.
