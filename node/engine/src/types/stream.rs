//! Stream.

#[derive(Clone, Default)]
pub struct Stream {}

impl Stream {
    pub fn is_empty(&self) -> bool {
        true
    }
    pub fn free_effort(&self) -> usize {
        1
    }
    pub fn encoding(&self) -> &'static str {
        "stream"
    }
}
