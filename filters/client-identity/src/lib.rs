//! XFCC, RFC 2253 names, matching of identities; pure
