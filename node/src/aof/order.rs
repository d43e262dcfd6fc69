//! Synchronisations that run side by side with `appendfsync always`, and what may be promised of them.
//!
//! Each one makes durable what was written before it began. A later one may end first, but it need not have been for all files
//! that an earlier one is for: so it is told in the order in which they began how far the promise is.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// How far replies may be sent, and how far all is durable for sure: less where a start would not find all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    pub covered: u64,
    pub durable: u64,
}

/// See the [module's page](self). Not longer than twice the number of threads that synchronise.
#[derive(Debug, Default)]
pub struct Order {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    begun: u64,
    under_way: VecDeque<Sync>,
}

#[derive(Debug)]
struct Sync {
    number: u64,
    promise: Promise,
    ended: bool,
}

impl Order {
    /// One begins; its number.
    pub fn begin(&self, promise: Promise) -> u64 {
        let mut state = self.state.lock();
        state.begun += 1;
        let number = state.begun;
        state.under_way.push_back(Sync { number, promise, ended: false });
        number
    }

    /// More was written for one that has not begun to wait for the disk.
    pub fn extend(&self, number: u64, promise: Promise) {
        let mut state = self.state.lock();
        if let Some(sync) = state.under_way.iter_mut().find(|sync| sync.number == number) {
            sync.promise = promise;
        }
    }

    /// One has ended. What may be promised now, if that is more than before.
    pub fn end(&self, number: u64) -> Option<Promise> {
        let mut state = self.state.lock();
        if let Some(sync) = state.under_way.iter_mut().find(|sync| sync.number == number) {
            sync.ended = true;
        }
        let mut promise = None;
        while let Some(sync) = state.under_way.pop_front_if(|sync| sync.ended) {
            promise = Some(sync.promise);
        }
        promise
    }

    /// Nothing need be synchronised for this promise itself. What may be promised now, if that is more than before.
    pub fn pass(&self, promise: Promise) -> Option<Promise> {
        let mut state = self.state.lock();
        match state.under_way.back_mut() {
            None => return Some(promise),
            Some(last) if last.ended => last.promise = promise,
            Some(_) => state.under_way.push_back(Sync { number: 0, promise, ended: true }),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(version: u64) -> Promise {
        Promise { covered: version, durable: version }
    }

    #[test]
    fn promises_come_in_order() {
        let order = Order::default();
        assert_eq!(order.pass(at(1)), Some(at(1)));
        let (first, second) = (order.begin(at(2)), order.begin(at(3)));
        assert_eq!((order.pass(at(4)), order.pass(at(5))), (None, None));
        assert_eq!(order.end(second), None, "the first may be for another file");
        assert_eq!(order.end(first), Some(at(5)));
        let third = order.begin(at(6));
        order.extend(third, at(7));
        assert_eq!(order.end(third), Some(at(7)));
    }
}
