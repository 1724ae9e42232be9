//! The resources that Fairlead reads, as types: `Application` (CV §9.3) and the Secrets that it refers to (AG §8, §10).
//!
//! [`crd`] makes the definitions for the API server of the same types; ApplicationMapping, EventActivation and TokenRequest
//! have one too, though nobody serves them yet.
//!
//! A store hands over each manifest as JSON ([`Object::from_json`]); the model compiles what comes out. Reading is as
//! lenient as the API server behind Kyma's schema: unknown fields are dropped, required ones demanded, and an error
//! says which field and why, never a value.

pub mod activation;
pub mod application;
pub mod crd;
pub mod duration;
pub mod mapping;
pub mod metadata;
pub mod object;
mod references;
pub mod secret;
pub mod token_request;

pub use application::{Application, Credentials, Entry, EntryType, Fairlead, Service, Sink, Spec};
pub use metadata::Metadata;
pub use object::{Object, ObjectError, ObjectRef};
pub use secret::Secret;
