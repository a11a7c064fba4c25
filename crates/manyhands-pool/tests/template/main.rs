//! The template, seen from outside: real processes, killed at every step.
//!
//! The program that acts as template, worker and pool is `acting_template.rs`.

mod behaviour;
mod harness;
mod kills;
mod processes;
