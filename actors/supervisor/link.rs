//! How actors reach each other: an address that outlives the one it points to.

use std::fmt;
use std::sync::Arc;

use actix::dev::{MessageResponse, ToEnvelope};
use actix::{Actor, Addr, Handler, Message};
use parking_lot::RwLock;

/// An address that is renewed at each restart of the actor behind it. Clones share it.
///
/// A link to a dead actor fails fast: an observer may miss a message and re-reads published state,
/// the data path keeps what it could not hand over.
pub struct Link<A: Actor> {
    address: Arc<RwLock<Option<Addr<A>>>>,
}

impl<A: Actor> Link<A> {
    /// A link without an actor yet.
    pub fn new() -> Self {
        Self { address: Arc::new(RwLock::new(None)) }
    }

    /// Points the link to a newly started actor.
    pub fn renew(&self, address: Addr<A>) {
        let mut slot = self.address.write();
        *slot = Some(address);
    }

    /// The living actor behind the link, if there is one.
    pub fn get(&self) -> Option<Addr<A>> {
        let slot = self.address.read();
        slot.as_ref().filter(|address| address.connected()).cloned()
    }

    /// Tells an observer. It never waits: what does not fit the observer's mailbox, or finds it
    /// dead, is missed.
    pub fn tell<M>(&self, message: M)
    where
        M: Message + Send + 'static,
        M::Result: MessageResponse<A, M> + Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        if let Some(address) = self.get() {
            let _missed = address.try_send(message);
        }
    }
}

impl<A: Actor> Link<A> {
    /// The same link for one kind of message, for callers that need not know the actor.
    pub fn recipient<M>(&self) -> LinkRecipient<M>
    where
        M: Message + Send + 'static,
        M::Result: MessageResponse<A, M> + Send,
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        let link = self.clone();
        LinkRecipient(Arc::new(move |message| link.tell(message)))
    }
}

/// Takes one kind of message for whatever actor is behind the link: see [`Link::tell`].
pub struct LinkRecipient<M>(Arc<dyn Fn(M) + Send + Sync>);

impl<M> LinkRecipient<M> {
    /// As [`Link::tell`].
    pub fn tell(&self, message: M) {
        (self.0)(message);
    }
}

impl<M> Clone for LinkRecipient<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M> fmt::Debug for LinkRecipient<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkRecipient").finish_non_exhaustive()
    }
}

impl<A: Actor> Default for Link<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Actor> Clone for Link<A> {
    fn clone(&self) -> Self {
        Self { address: Arc::clone(&self.address) }
    }
}

impl<A: Actor> fmt::Debug for Link<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("connected", &self.get().is_some()).finish()
    }
}
