//! Header and query parameters, grant state; pure
