//! How many elements of a list were there at a cut, counted from either end. Queues ask for it at every step, near the same
//! place each time: the last counts of the last few cuts (each node has its own) are kept, and the next begins there.

use std::cell::Cell;

/// Cuts that are remembered for each end.
const CUTS: usize = 4;

/// Which end is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Back,
}

/// So many marks at an end have so many elements that were there at a cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub marks: usize,
    pub elements: usize,
}

/// The counts from one end, the one that was used last first.
type Counts = [(u64, Count); CUTS];

/// See the [module's page](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Cuts {
    front: Cell<Counts>,
    back: Cell<Counts>,
}

impl Cuts {
    fn of(&self, end: End) -> &Cell<Counts> {
        match end {
            End::Front => &self.front,
            End::Back => &self.back,
        }
    }

    /// Where to begin counting.
    pub fn get(&self, end: End, cut: u64) -> Count {
        let known = self.of(end).get().into_iter().find(|(known, _)| *known == cut);
        known.map_or(Count::default(), |(_, count)| count)
    }

    pub fn put(&self, end: End, cut: u64, count: Count) {
        let mut counts = self.of(end).get();
        let at = counts.iter().position(|(known, _)| *known == cut).unwrap_or(CUTS - 1);
        counts[..=at].rotate_right(1);
        counts[0] = (cut, count);
        self.of(end).set(counts);
    }

    fn change(&self, end: End, change: impl Fn(&mut Count)) {
        let mut counts = self.of(end).get();
        counts.iter_mut().for_each(|(_, count)| change(count));
        self.of(end).set(counts);
    }

    /// A mark has come to position `at`, of an element that was there at none of the cuts; there are `len` now.
    pub fn inserted(&self, at: usize, len: usize) {
        self.change(End::Front, |count| count.marks += usize::from(at < count.marks));
        self.change(End::Back, |count| count.marks += usize::from(len - at <= count.marks));
    }

    /// The mark at position `at` has become `parts` marks; there are `len` now.
    pub fn split(&self, at: usize, parts: usize, len: usize) {
        let more = parts - 1;
        self.change(End::Front, |count| count.marks += if at < count.marks { more } else { 0 });
        let behind = len - at - parts;
        self.change(End::Back, |count| count.marks += if behind < count.marks { more } else { 0 });
    }

    /// Something older than a cut may have changed: what is counted there does not hold.
    pub fn forget_from(&self, version: u64) {
        for end in [End::Front, End::Back] {
            let mut counts = self.of(end).get();
            counts
                .iter_mut()
                .filter(|(cut, _)| *cut >= version)
                .for_each(|count| *count = Default::default());
            self.of(end).set(counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_follows_the_marks_it_is_about() {
        let cuts = Cuts::default();
        let (front, back) = (Count { marks: 2, elements: 5 }, Count { marks: 3, elements: 7 });
        cuts.put(End::Front, 9, front);
        cuts.put(End::Back, 9, back);
        // Of ten marks: the first two, the last three.
        let seen = |cuts: &Cuts| (cuts.get(End::Front, 9).marks, cuts.get(End::Back, 9).marks);
        cuts.inserted(0, 11);
        assert_eq!(seen(&cuts), (3, 3));
        cuts.inserted(3, 12);
        assert_eq!(seen(&cuts), (3, 3), "between them");
        cuts.inserted(9, 13);
        assert_eq!(seen(&cuts), (3, 3), "before the last three");
        cuts.inserted(11, 14);
        assert_eq!(seen(&cuts), (3, 4), "among them");
        cuts.inserted(14, 15);
        assert_eq!(seen(&cuts), (3, 5), "at the end");
        cuts.split(2, 3, 17);
        assert_eq!(seen(&cuts), (5, 5));
        cuts.split(12, 2, 18);
        assert_eq!(seen(&cuts), (5, 6));
        assert_eq!(cuts.get(End::Back, 9).elements, 7);
        assert_eq!(cuts.get(End::Back, 8), Count::default());
        for cut in 1..=CUTS as u64 - 1 {
            cuts.put(End::Front, cut, front);
        }
        assert_eq!(cuts.get(End::Front, 9).marks, 5);
        cuts.put(End::Front, 20, front);
        assert_eq!((cuts.get(End::Front, 9).marks, cuts.get(End::Front, 20).marks), (0, 2));
        cuts.forget_from(15);
        assert_eq!((cuts.get(End::Front, 20).marks, cuts.get(End::Front, 3).marks), (0, 2));
    }
}
