//! Transport profiles and listeners as Envoy resources; pure
