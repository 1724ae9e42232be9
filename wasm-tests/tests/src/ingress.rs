//! What ingress must do, as a list of cases (spec connectivity-validator), and the resources that they need.
