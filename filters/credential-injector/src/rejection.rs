//! Which answers reject *our* grant, and what may be sent again then (AG §11, decision 22, design decision 10).

/// What of ours a request carried, as far as its answer hangs on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// A granted `Authorization`.
    pub authorization: bool,
    /// A granted CSRF token.
    pub csrf: bool,
    /// The caller's own `Access-Token` (AG §8.6) in the place of the credential.
    pub access_token: bool,
    /// The method is one that may be executed twice, or does nothing: `GET`, `HEAD`, `OPTIONS`, `PUT`, `DELETE`.
    pub repeatable: bool,
}

/// What an answer means for the grants of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The granted `Authorization` is to be renewed.
    pub authorization: bool,
    /// The CSRF token is to be renewed.
    pub csrf: bool,
    /// The request may be sent again with what is newer.
    pub again: bool,
}

impl Carried {
    /// Whether anything of ours can be rejected at all.
    #[must_use]
    pub fn anything(self) -> bool {
        self.authorization || self.csrf
    }

    /// What a target's answer of this status means; none if it rejects nothing of ours. `demands_token` says whether the
    /// answer asks for a CSRF token (`X-csrf-token: required`).
    ///
    /// Either status rejects whatever was sent. But 403 mostly forbids: a request that must not be executed twice is
    /// repeated after it only where a CSRF token was sent, whose end it then is. What a caller authenticated by itself says nothing
    /// about our grants, unless the target names the token.
    #[must_use]
    pub fn rejected(self, status: u16, demands_token: impl FnOnce() -> bool) -> Option<Rejection> {
        let Self { authorization, csrf, access_token, repeatable } = self;
        match status {
            401 | 403 if !self.anything() => None,
            401 | 403 if access_token => {
                (csrf && demands_token()).then_some(Rejection { authorization: false, csrf, again: false })
            }
            401 => Some(Rejection { authorization, csrf, again: true }),
            403 => Some(Rejection { authorization, csrf, again: csrf || repeatable }),
            _ => None,
        }
    }
}

/// Whether a method is [repeatable](Carried::repeatable).
#[must_use]
pub fn is_repeatable(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE")
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const BOTH: Rejection = Rejection { authorization: true, csrf: true, again: true };
    const TOKEN: Rejection = Rejection { authorization: true, csrf: false, again: true };
    const CSRF: Rejection = Rejection { authorization: false, csrf: true, again: true };

    #[test]
    fn only_401_and_403_reject_and_only_what_was_sent() {
        let sent = |authorization, csrf| Carried { authorization, csrf, ..Carried::default() };
        for (carried, status, expected) in [
            (sent(true, false), 401, Some(TOKEN)),
            (sent(false, true), 401, Some(CSRF)),
            (sent(true, true), 401, Some(BOTH)),
            (sent(false, false), 401, None),
            (sent(true, false), 403, Some(Rejection { again: false, ..TOKEN })),
            (sent(true, true), 403, Some(BOTH)),
            (sent(false, true), 403, Some(CSRF)),
            (Carried { repeatable: true, ..sent(true, false) }, 403, Some(TOKEN)),
            (Carried { repeatable: true, ..sent(false, false) }, 403, None),
        ] {
            assert_eq!(carried.rejected(status, || true), expected, "{carried:?} {status}");
            for other in [200, 302, 400, 402, 404, 407, 419, 500, 503] {
                assert_eq!(carried.rejected(other, || true), None);
            }
        }
    }

    #[test]
    fn a_callers_own_token_renews_at_most_the_csrf_token_and_repeats_nothing() {
        let carried = Carried { csrf: true, access_token: true, repeatable: true, ..Carried::default() };
        for status in [401, 403] {
            assert_eq!(carried.rejected(status, || false), None);
            let renewed = Rejection { authorization: false, csrf: true, again: false };
            assert_eq!(carried.rejected(status, || true), Some(renewed));
        }
    }

    #[test]
    fn methods_that_may_be_executed_twice() {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
            assert!(is_repeatable(method.as_bytes()));
        }
        for method in ["POST", "PATCH", "get", "", "CONNECT", "MERGE"] {
            assert!(!is_repeatable(method.as_bytes()));
        }
    }
}
