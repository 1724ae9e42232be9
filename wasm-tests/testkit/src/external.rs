//! The external system's double, server side: what `fairlead-double` runs. [`crate::double`] starts and asks it.
//!
//! Listeners ([`listen`]) speak HTTP/1.1 through [`http1`], which keeps every byte of a request's head, and HTTP/2
//! where ALPN chose it ([`http2`]). Both hand a [`record::Recorded`] to [`endpoints`] and send the [`answer::Answer`].
//! [`token`] is the OAuth endpoint, [`csrf`] the CSRF one, [`sink`] the event sink, [`proxy`] a CONNECT proxy;
//! [`websocket`] and [`grpc`] speak what their names say. [`admin`] shows and changes all of it, [`dns`] answers names.

pub mod admin;
pub mod answer;
pub mod csrf;
pub mod dns;
pub mod endpoints;
pub mod gate;
pub mod grpc;
pub mod http1;
pub mod http2;
pub mod listen;
pub mod options;
pub mod proxy;
pub mod record;
pub mod running;
pub mod settings;
pub mod sink;
pub mod state;
pub mod tls;
pub mod token;
pub mod websocket;
