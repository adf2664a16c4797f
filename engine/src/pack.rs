//! interim
use std::sync::Arc;
use linggong_events::case::Deadline;
use linggong_events::commit::Digest;
use linggong_events::rules::PackKind;
use linggong_events::time::Date;
use crate::refusal::Refusal;
#[derive(Clone, Debug)]
pub struct Pack;
impl Pack { pub fn kind(&self) -> PackKind { PackKind::Statutes } }
#[derive(Clone, Debug, Default)]
pub struct RuleBook;
impl RuleBook {
    pub fn new(_: Vec<(String, Digest, Arc<Pack>)>) -> RuleBook { RuleBook }
    pub fn names(&self) -> Vec<String> { Vec::new() }
    /// A number that the rules or the office set.
    pub fn limit(&self, id: &str) -> Result<i64, Refusal> { Err(Refusal::RuleMissing { rule: id.into() }) }
    /// The deadline of the row `id` from `trigger`.
    pub fn deadline(&self, id: &str, _trigger: Date) -> Result<Deadline, Refusal> { Err(Refusal::RuleMissing { rule: id.into() }) }
}
