//! What tests share: a real Envoy, the external-system double, certificates, canary search
