//! Certificate authorities, SPIFFE certificates and bundles
