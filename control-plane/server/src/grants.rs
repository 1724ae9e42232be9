//! Grants: OAuth tokens and CSRF sessions fetched on the gateways' demand, once for the fleet (design decision 9; wire: `grant`).
//!
//! The model says which grants exist (`GrantSpec`), [`broker`] keeps and refreshes them, `token` and `csrf` make one
//! request each, `exchange` follows its redirects, `gate` and `pace` bound how often an endpoint is asked; [`serve`]
//! answers the plugins, [`forward`] asks the leader where there are several replicas. Client secrets, keys and tokens
//! stay in memory and in no log.

pub mod broker;
mod csrf;
mod entry;
mod exchange;
mod failure;
mod fetch;
pub mod forward;
mod gate;
mod life;
pub mod metrics;
mod pace;
pub mod serve;
mod token;
pub mod trouble;
