//! Tests on a real Envoy
