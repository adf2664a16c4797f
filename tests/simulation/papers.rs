//! Papers in custody by the simulation's own book: what was stored, under whose key, and which keys were destroyed.

use std::collections::BTreeSet;

use linggong_events::commit::Digest;
use linggong_events::evidence::EvidenceDigest;
use linggong_events::id::KeyId;

use crate::oracle::Holds;
use crate::random::Random;

/// The papers of one vault.
#[derive(Debug, Default)]
pub(crate) struct Papers {
    /// Each with the key of whom it is about, where it is about a human.
    stored: Vec<(Digest, Option<KeyId>)>,
    destroyed: BTreeSet<KeyId>,
}

impl Papers {
    pub(crate) fn keep(&mut self, paper: Digest, key: Option<KeyId>) {
        self.stored.push((paper, key));
    }

    pub(crate) fn destroy(&mut self, key: KeyId) {
        self.destroyed.insert(key);
    }

    /// Whether one of them was stored under a key that is destroyed.
    pub(crate) fn names_what_is_gone(&self, named: &[EvidenceDigest]) -> bool {
        self.i04_what_lost_its_key_is_not_there(named).is_err()
    }

    fn is_gone(&self, key: Option<KeyId>) -> bool {
        key.is_some_and(|it| self.destroyed.contains(&it))
    }

    /// A paper that was stored before: mostly one that nobody can read any more, where there is one.
    pub(crate) fn again(&self, random: &mut Random) -> Option<Digest> {
        let gone = self.stored.iter().filter(|it| self.is_gone(it.1)).map(|it| it.0);
        let gone: Vec<Digest> = gone.filter(|_| random.coin()).collect();
        let any: Vec<Digest> = self.stored.iter().map(|it| it.0).collect();
        random.pick(&gone).or_else(|| random.pick(&any))
    }

    /// Invariant 4: What nobody can ever read again proves nothing: it does not pass for evidence that is there.
    pub(crate) fn i04_what_lost_its_key_is_not_there(&self, passed: &[EvidenceDigest]) -> Holds {
        let gone = self.stored.iter().filter(|it| self.is_gone(it.1));
        match gone.map(|it| it.0).find(|it| passed.contains(&EvidenceDigest(*it))) {
            None => Ok(()),
            Some(paper) => Err(format!("4: the evidence {paper} passes for there, and its key is destroyed")),
        }
    }
}
