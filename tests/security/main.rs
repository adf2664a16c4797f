//! What must not happen: personal data outside the vault, somebody reading or doing what is not theirs, input
//! that breaks or smuggles, answers lost under load or at a stop.

mod authority;
mod canary;
mod cast;
mod home;
mod hostile;
mod pressure;
mod questions;
mod relations;
