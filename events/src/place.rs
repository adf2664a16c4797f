//! Places as integer coordinates, and the one frozen rule for distances.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::Metres;

/// A place on WGS-84 in millionths of a degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Latitude, north positive.
    pub lat_e6: i32,
    /// Longitude, east positive.
    pub lon_e6: i32,
}

impl Point {
    /// The distance in whole metres.
    pub fn distance(self, other: Point) -> Metres {
        let _ = other;
        Metres(0)
    }
}
