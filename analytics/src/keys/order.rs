//! The order of texts, for their codes: a window's groups are written in order, and comparing numbers is cheap.

use std::sync::Arc;

use arrow::array::UInt32Array;

/// The order of a dictionary's texts.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Codes, in the order of their texts.
    sorted: Vec<u32>,
    /// By code: its place in `sorted`.
    ranks: Vec<u32>,
}

impl Order {
    /// Learns the order of those that came last.
    pub(super) fn learn(&mut self, texts: &[Arc<str>]) {
        let known = self.sorted.len();
        if known == texts.len() {
            return;
        }
        self.sorted.extend((0u32..).take(texts.len()).skip(known));
        // Stable sorting finds that most of them are in order.
        self.sorted.sort_by(|one, other| texts[*one as usize].cmp(&texts[*other as usize]));
        self.ranks.resize(texts.len(), 0);
        for (rank, code) in (0u32..).zip(&self.sorted) {
            self.ranks[*code as usize] = rank;
        }
    }

    /// The rows of these codes in the order of their texts; NULL is last.
    pub(super) fn rows(&self, codes: &UInt32Array) -> UInt32Array {
        let rank = |code: Option<u32>| code.map_or(u32::MAX, |code| self.ranks[code as usize]);
        // One number for both, so that rows of one text stay as they are.
        let mut rows: Vec<u64> = codes.iter().zip(0u64..).map(|(code, row)| u64::from(rank(code)) << 32 | row).collect();
        rows.sort_unstable();
        UInt32Array::from_iter_values(rows.into_iter().map(|row| row as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_their_texts_also_when_more_have_come() {
        let mut texts: Vec<Arc<str>> = ["b", "10", "9"].map(Arc::from).to_vec();
        let mut order = Order::default();
        order.learn(&texts);
        assert_eq!(order.rows(&vec![Some(0), None, Some(2), Some(1)].into()).values(), &[3, 2, 0, 1]);
        texts.extend(["a", ""].map(Arc::from));
        order.learn(&texts);
        assert_eq!(order.rows(&vec![0, 1, 2, 3, 4, 0].into()).values(), &[4, 1, 2, 3, 0, 5]);
    }
}
