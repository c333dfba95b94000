//! Which signals of the bus are wanted.

use zbus::{
    match_rule::{Builder, MatchRule},
    message::Type,
};

/// A rule for one signal of a peer.
pub fn signal<'m>(
    sender: &'static str,
    interface: &'static str,
    member: &'static str,
) -> Builder<'m> {
    MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(sender)
        .interface(interface)
        .member(member)
}
