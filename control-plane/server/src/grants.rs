//! Grants: OAuth tokens fetched on the gateways' demand, once for the fleet (design decision 9; wire: `grant`).
//!
//! The model says which grants exist (`GrantSpec`), [`broker`] keeps and refreshes them, [`token`] makes one
//! token request, [`serve`] answers the plugins, [`forward`] asks the leader where there are several replicas. Client secrets and tokens stay in memory and in no log.

pub mod broker;
mod entry;
pub mod forward;
pub mod serve;
pub mod token;
