//! What a data set costs on which machine: arithmetic on a table of node types, no measurement.
//!
//! * [`nodes`]: node types, their memory, SSD and price, from a data file
//! * [`footprint`]: what a key takes of each, and so how many fit a node
//! * [`price`]: per gigabyte, per million keys, and for a data set at a request rate

pub mod footprint;
pub mod nodes;
pub mod price;
