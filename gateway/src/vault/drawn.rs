//! Chance by a seed, for a simulation whose every byte is to repeat. Builds that are shipped do not have it.

use std::cell::Cell;

thread_local! {
    static DRAWN: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on the vaults of this thread draw their keys, nonces and ids by `seed`; by the machine where it is none.
pub fn draw_by(seed: Option<u64>) {
    DRAWN.set(seed);
}

/// Fills `bytes`, where this thread draws by a seed.
pub(super) fn fill(bytes: &mut [u8]) -> bool {
    let Some(mut state) = DRAWN.get() else { return false };
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        chunk.copy_from_slice(&mixed.to_be_bytes()[..chunk.len()]);
    }
    DRAWN.set(Some(state));
    true
}
