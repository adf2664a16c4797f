//! The Merkle tree of RFC 6962 over the event lines: leaf n is the line of the event at position n + 1.

use sha2::{Digest as _, Sha256};

use crate::commit::Digest;

/// A tree that only grows; it keeps the roots of its full subtrees, at most 64 of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// The largest first; one for each bit that is set in `size`.
    full: Vec<Digest>,
}

impl Tree {
    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the full subtrees, the largest first: all it takes to go on.
    pub fn full(&self) -> &[Digest] {
        &self.full
    }

    /// A tree of `size` leaves whose full subtrees have these roots; `None` where they are not as many as such
    /// a tree has. Whether they are the right ones only the leaves can tell.
    pub fn of_full(size: u64, full: Vec<Digest>) -> Option<Tree> {
        (full.len() == size.count_ones() as usize).then_some(Tree { size, full })
    }

    /// Adds the next event line (without its line feed).
    pub fn push(&mut self, line: &[u8]) {
        let mut node = leaf_hash(line);
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.full.pop() {
                node = node_hash(left, node);
            }
        }
        self.full.push(node);
        self.size += 1;
    }

    /// The root over all leaves; of an empty tree the hash of nothing.
    pub fn root(&self) -> Digest {
        let smallest_first = self.full.iter().rev().copied();
        smallest_first.reduce(|right, left| node_hash(left, right)).unwrap_or_else(|| Digest::of(b""))
    }
}

/// The hash of one event line.
pub fn leaf_hash(line: &[u8]) -> Digest {
    Digest::from_sha256(Sha256::new().chain_update([0]).chain_update(line).finalize().into())
}

fn node_hash(left: Digest, right: Digest) -> Digest {
    let hash = Sha256::new().chain_update([1]).chain_update(left.bytes()).chain_update(right.bytes());
    Digest::from_sha256(hash.finalize().into())
}

/// The root over the given leaf hashes, by the recursion of RFC 6962 §2.1.
pub fn root_of(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        [_, _, ..] => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(root_of(left), root_of(right))
        }
    }
}

/// What proves that leaf `index` is in the tree over `leaves`; `None` where there is no such leaf.
pub fn prove_inclusion(leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut rest, mut index, mut path) = (leaves, index, Vec::new());
    while rest.len() > 1 {
        let (left, right) = rest.split_at(split(rest.len()));
        if index < left.len() {
            path.push(root_of(right));
            rest = left;
        } else {
            path.push(root_of(left));
            index -= left.len();
            rest = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Whether `path` proves that `leaf` is number `index` of the `size` leaves under `root`.
pub fn verify_inclusion(root: Digest, size: u64, index: u64, leaf: Digest, path: &[Digest]) -> bool {
    if index >= size {
        return false;
    }
    // `at` and `last` number the nodes of one level; a lone last node rises until it has a left sibling.
    let (mut at, mut last, mut node) = (index, size - 1, leaf);
    for &sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            node = node_hash(sibling, node);
            let lone = if at & 1 == 0 { at.trailing_zeros() } else { 0 };
            at = at.checked_shr(lone).unwrap_or(0);
            last = last.checked_shr(lone).unwrap_or(0);
        } else {
            node = node_hash(node, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && node == root
}

/// The largest power of two below `n`, for `n` of at least 2.
fn split(n: usize) -> usize {
    1 << (n - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The inputs and roots that implementations of certificate transparency test themselves with.
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn the_roots_are_those_of_certificate_transparency() {
        let mut tree = Tree::default();
        for (size, root) in ROOTS.iter().enumerate() {
            assert_eq!(tree.root().to_string(), format!("sha256:{root}"), "{size} leaves");
            if let Some(leaf) = LEAVES.get(size) {
                tree.push(&hex::decode(leaf).unwrap());
            }
        }
    }

    #[test]
    fn growing_gives_the_root_of_the_recursion() {
        let mut tree = Tree::default();
        let mut leaves = Vec::new();
        for n in 0..200_u32 {
            assert_eq!(tree.root(), root_of(&leaves), "{n} leaves");
            tree.push(&n.to_be_bytes());
            leaves.push(leaf_hash(&n.to_be_bytes()));
        }
        assert_eq!(tree.size(), 200);
    }

    #[test]
    fn a_tree_goes_on_from_the_roots_of_its_full_subtrees() {
        let mut tree = Tree::default();
        for n in 0..200_u32 {
            let mut again = Tree::of_full(tree.size(), tree.full().to_vec()).unwrap();
            assert_eq!(again, tree);
            tree.push(&n.to_be_bytes());
            again.push(&n.to_be_bytes());
            assert_eq!(again.root(), tree.root());
        }
        assert_eq!(Tree::of_full(201, tree.full().to_vec()), None);
    }

    #[test]
    fn a_proof_holds_for_its_leaf_at_its_place_only() {
        for size in 1..=33_usize {
            let leaves: Vec<Digest> = (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let root = root_of(&leaves);
            for index in 0..size {
                let path = prove_inclusion(&leaves, index).unwrap();
                for other in 0..size {
                    let holds = verify_inclusion(root, size as u64, other as u64, leaves[index], &path);
                    assert_eq!(holds, other == index, "{index} of {size}, claimed at {other}");
                }
                let wrong_leaf = leaf_hash(b"another line");
                assert!(!verify_inclusion(root, size as u64, index as u64, wrong_leaf, &path));
                let mut longer = path.clone();
                longer.push(root);
                assert!(!verify_inclusion(root, size as u64, index as u64, leaves[index], &longer));
                if let Some((_, shorter)) = path.split_last() {
                    assert!(!verify_inclusion(root, size as u64, index as u64, leaves[index], shorter));
                }
            }
            assert_eq!(prove_inclusion(&leaves, size), None);
        }
    }
}
