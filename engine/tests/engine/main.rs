//! The engine as a whole, over devices in memory, in one thread that is stepped by hand.

mod decoding;
mod draining;
mod faults;
mod fields;
mod gc;
mod joint_reads;
mod model;
mod observers;
mod oversize;
mod promotion;
mod races;
mod reserve;
mod simulation;
mod world;
