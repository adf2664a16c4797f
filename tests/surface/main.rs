//! What readers and bystanders see: one thing as of then, a receipt to hand over, the mark of a demo.

mod as_of;
mod demo_mark;
mod heads;
mod machine;
mod receipt;
mod screens;
