//! End to end: the real `thoxd` in front of engine doubles, seen by clients that read every byte.
//!
//! - `doubles`: the doubles themselves: each trap and each fault really happens

#[cfg(test)]
mod doubles;
