//! One of two iterators over the same things: what a type with two forms iterates with.

pub(crate) enum Either<L, R> {
    Left(L),
    Right(R),
}

impl<T, L: Iterator<Item = T>, R: Iterator<Item = T>> Iterator for Either<L, R> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        match self {
            Either::Left(left) => left.next(),
            Either::Right(right) => right.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Either::Left(left) => left.size_hint(),
            Either::Right(right) => right.size_hint(),
        }
    }

    /// `for_each` and its kin decide once which of the two it is, not for every element.
    #[inline]
    fn fold<B, F: FnMut(B, T) -> B>(self, init: B, each: F) -> B {
        match self {
            Either::Left(left) => left.fold(init, each),
            Either::Right(right) => right.fold(init, each),
        }
    }
}
