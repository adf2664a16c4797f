//! 撮合: why somebody was proposed. Never on the feed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::events;
use crate::id::{MatchId, PostingId, WorkerId};

/// One term of a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreTerm {
    /// What was weighed: `distance`, `skill`, `waiting` …
    pub term: String,
    /// Points, by the policy's weight and cap.
    pub points: i64,
}

/// One proposed worker, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Who.
    pub worker: WorkerId,
    /// The sum of the terms.
    pub score: i64,
    /// The terms.
    pub terms: Vec<ScoreTerm>,
    /// The lottery that decides between equal scores: smaller comes first.
    pub lot: u64,
}

/// How many were excluded first by one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// The rule.
    pub rule: String,
    /// How many workers it excluded before any other rule.
    pub workers: u32,
}

events! {
    /// What the matching core decided.
    MatchEvent: Match {
        /// One run for one posting: the order proposed, and why.
        Reasoned = "reasoned", 1, Never => {
            run: MatchId, posting: PostingId,
            /// The score policy and its version.
            policy: String,
            candidates: Vec<Candidate>, considered: u32, excluded: Vec<Exclusion>,
        }
    }
}
