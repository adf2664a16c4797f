//! The digest of a whole view, which does not depend on the order in which its rows were written.

use std::fmt;

use linggong_events::commit::Digest;
use serde::{Deserialize, Serialize};

/// The sum, modulo 2^256, of SHA-256 over each row's key and bytes: kept up with every write, checked by a scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewDigest([u64; 4]);

impl ViewDigest {
    /// The digest once the row is there.
    pub(crate) fn plus(self, key: &[u8], row: &[u8]) -> ViewDigest {
        let mut carry = false;
        let mut sum = self.0;
        for (limb, other) in sum.iter_mut().zip(limbs(key, row)) {
            let (first, over) = limb.overflowing_add(other);
            let (second, again) = first.overflowing_add(u64::from(carry));
            (*limb, carry) = (second, over || again);
        }
        ViewDigest(sum)
    }

    /// The digest once the row is gone.
    pub(crate) fn minus(self, key: &[u8], row: &[u8]) -> ViewDigest {
        let mut borrow = false;
        let mut rest = self.0;
        for (limb, other) in rest.iter_mut().zip(limbs(key, row)) {
            let (first, under) = limb.overflowing_sub(other);
            let (second, again) = first.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (second, under || again);
        }
        ViewDigest(rest)
    }
}

/// SHA-256 of length-prefixed key and row, least significant limb first.
fn limbs(key: &[u8], row: &[u8]) -> [u64; 4] {
    let mut bytes = (key.len() as u64).to_be_bytes().to_vec();
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(row);
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(Digest::of(&bytes).bytes().as_chunks::<8>().0) {
        *limb = u64::from_le_bytes(*chunk);
    }
    limbs
}

impl fmt::Display for ViewDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sum-sha256:")?;
        self.0.iter().rev().try_for_each(|limb| write!(f, "{limb:016x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_does_not_matter_and_what_was_added_can_be_taken_away(
            rows in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 1..20)
        ) {
            let up = rows.iter().fold(ViewDigest::default(), |sum, (key, row)| sum.plus(key, row));
            let down = rows.iter().rev().fold(ViewDigest::default(), |sum, (key, row)| sum.plus(key, row));
            prop_assert_eq!(up, down);
            let none = rows.iter().fold(up, |sum, (key, row)| sum.minus(key, row));
            prop_assert_eq!(none, ViewDigest::default());
        }
    }
}
