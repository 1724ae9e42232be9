//! The service behind HTTP ext_authz that does the plugin's work with a request, and no more: it finds the Application
//! in the path, looks it up, and answers with the credential and with authority and path for the target.
//!
//! It has a thread of its own, so that its CPU can be counted with Envoy's: the work has only moved there.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use fairlead_wire::header::PROFILE;

use crate::{
    responder::{self, Message},
    variant::{AUTHORITY, PATH},
};

/// Services that are known, by `application/service`.
#[derive(Default)]
pub(crate) struct Authz(Mutex<HashMap<String, Service>>);

/// What the service knows of one.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) authority: String,
    pub(crate) profile: String,
    pub(crate) base: String,
    pub(crate) authorization: String,
}

impl Authz {
    /// Knows these from now on.
    pub(crate) fn set(&self, services: impl IntoIterator<Item = (String, Service)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = services.into_iter().collect();
    }

    /// Answers Envoy: 200 and what the request is to get, or 404, which Envoy passes on.
    pub(crate) fn answer(&self, message: &Message) -> Bytes {
        let services = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = split(message.target()).and_then(|(key, rest)| {
            let Service { authority, profile, base, authorization } = services.get(key)?;
            Some(format!(
                "{PROFILE}: {profile}\r\nauthorization: {authorization}\r\n{AUTHORITY}: {authority}\r\n{PATH}: {base}{rest}\r\n",
            ))
        });
        match lines {
            Some(lines) => responder::ok(&lines, b""),
            None => responder::answer("404 Not Found", "", b""),
        }
    }
}

/// `application/service`, and what of the path follows. The query is the route's: it stays as it is.
fn split(target: &str) -> Option<(&str, &str)> {
    let path = target.strip_prefix('/')?;
    let path = path.split('?').next().unwrap_or(path);
    let service = path.find('/')? + 1;
    let end = path.get(service..)?.find('/').map_or(path.len(), |length| service + length);
    path.split_at_checked(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn application_and_service_are_the_first_two_segments() {
        assert_eq!(split("/app/svc/orders/17?full=true"), Some(("app/svc", "/orders/17")));
        assert_eq!(split("/app/svc?full=true"), Some(("app/svc", "")));
        assert_eq!(split("/app/svc"), Some(("app/svc", "")));
        assert_eq!(split("/app"), None);
    }
}
