//! Starts servers and speaks to them from outside.
