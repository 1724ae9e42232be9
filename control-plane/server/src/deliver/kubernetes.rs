//! Delivery to gateways of a mesh: Istio objects, written by the leader.
