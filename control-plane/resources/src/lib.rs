//! The resources that Fairlead reads, as types: `Application` (CV §9.3) and the Secrets that it refers to (AG §8, §10).
//!
//! A store hands over each manifest as JSON ([`Object::from_json`]); the model compiles what comes out. Reading is as
//! lenient as the API server behind Kyma's schema: unknown fields are dropped, required ones demanded, and an error
//! says which field and why, never a value.

pub mod application;
pub mod duration;
pub mod metadata;
pub mod object;
pub mod secret;

pub use application::{Application, Credentials, Entry, EntryType, Fairlead, Service, Sink, Spec};
pub use metadata::Metadata;
pub use object::{Object, ObjectError, ObjectRef};
pub use secret::Secret;
